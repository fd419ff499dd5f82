/** `stethostream data check`: progress and the findings; the work is src/training/data-check. */
import { checkData } from '../../training/data-check/check-data.js';
import { formatDataCheck } from '../../training/data-check/readable.js';
import { EXIT } from '../output.js';
import { ProgressBars } from '../progress.js';

export async function dataCheck(folder: string, flags: Record<string, unknown>): Promise<void> {
  const bars = new ProgressBars();
  const check = await checkData(folder, { onProgress: (phase, done, total) => bars.show(phase, done, total) }).finally(() => bars.end());
  process.stdout.write(`${flags['json'] === true ? JSON.stringify(check) : formatDataCheck(check)}\n`);
  if (!check.ok) process.exitCode = EXIT.failed;
}
