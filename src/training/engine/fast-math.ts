/** Whether this machine computes in bfloat16 faster than in float32: oneDNN without such instructions is far slower. */
import { readFileSync } from 'node:fs';

/** Linux on x86 says so in /proc/cpuinfo; elsewhere the answer is no. */
export function fastMathSupported(cpuInfo: () => string = () => readFileSync('/proc/cpuinfo', 'utf8')): boolean {
  try {
    return /^flags\s*:.*\b(avx512_bf16|amx_bf16)\b/m.test(cpuInfo());
  } catch {
    return false;
  }
}

/** Of the convolutions while training. */
export type Precision = 'float32' | 'bfloat16';

/** What a run that asks for fast math, or not, gets on this machine. */
export function precisionOf(fastMath: boolean): Precision {
  return fastMath && fastMathSupported() ? 'bfloat16' : 'float32';
}

/** For cards and reports; absent in runs from before there was a choice. */
export function precisionNotes(precision: Precision | undefined): string[] {
  return precision === 'bfloat16' ? ['Convolutions were computed in bfloat16 while training; every prediction is float32.'] : [];
}
