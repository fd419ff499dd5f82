/** `stethostream report`: writes the report of a finished training run again. */
import { writeReport } from '../../training/report/write-report.js';

export async function report(runFolder: string, flags: Record<string, unknown>): Promise<void> {
  const { html, json } = await writeReport(runFolder);
  process.stdout.write(flags['json'] === true ? `${JSON.stringify({ html, json })}\n` : `${html}\n${json}\n`);
}
