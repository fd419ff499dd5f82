/** What this machine's processor does in bfloat16, and whether a run that asks for it gets it. */
import { readFileSync } from 'node:fs';

type CpuInfo = () => string;

/** Linux on x86 says so in /proc/cpuinfo; elsewhere the answer is no. */
function hasInstructions(names: string, cpuInfo: CpuInfo = () => readFileSync('/proc/cpuinfo', 'utf8')): boolean {
  try {
    return new RegExp(`^flags\\s*:.*\\b(${names})\\b`, 'm').test(cpuInfo());
  } catch {
    return false;
  }
}

/** Whether it has instructions for bfloat16; oneDNN without them is far slower. */
export function fastMathSupported(cpuInfo?: CpuInfo): boolean {
  return hasInstructions('avx512_bf16|amx_bf16', cpuInfo);
}

/** Whether they are faster than float32's: AMX is (by a quarter, docs/training.md); AVX-512's alone took a third longer. */
export function fastMathPays(cpuInfo?: CpuInfo): boolean {
  return hasInstructions('amx_bf16', cpuInfo);
}

/** Of the convolutions while training. */
export type Precision = 'float32' | 'bfloat16';

/** What a run that asks for fast math, or not, gets on this machine. */
export function precisionOf(fastMath: boolean): Precision {
  return fastMath && fastMathPays() ? 'bfloat16' : 'float32';
}

/** For the log, where fast math was asked for and is not to be had. */
export function precisionWarnings(fastMath: boolean): string[] {
  return fastMath && !fastMathPays() ? ['--fast-math: this processor has no AMX for bfloat16, so convolutions are computed in float32, which is faster here'] : [];
}

/** For cards and reports; absent in runs from before there was a choice. */
export function precisionNotes(precision: Precision | undefined): string[] {
  return precision === 'bfloat16' ? ['Convolutions were computed in bfloat16 while training; every prediction is float32.'] : [];
}
