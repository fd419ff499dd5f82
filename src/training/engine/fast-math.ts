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

/** For cards and reports of runs that used it. */
export const BFLOAT16_NOTE = 'Convolutions were computed in bfloat16 while training; every prediction is float32.';
