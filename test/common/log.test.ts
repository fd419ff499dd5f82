/** Logs: JSON lines for programs, readable ones for people, nothing on stdout. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { createLogger, readableLine } from '../../src/common/log.js';
import { builtModule } from '../../src/common/paths.js';

describe('createLogger', () => {
  it('writes one JSON object per line and respects the level', () => {
    const lines: string[] = [];
    const logger = createLogger({ level: 'warn', destination: { write: (line) => lines.push(line) } });
    logger.info('unheard');
    logger.child({ stage: 'serve' }).warn({ dropped: 12 }, 'client too slow');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] as string)).toMatchObject({ level: 40, stage: 'serve', dropped: 12, msg: 'client too slow' });
    expect(lines[0]?.endsWith('\n')).toBe(true);
  });

  it('writes readable lines where asked to, with the stack of an error', () => {
    const lines: string[] = [];
    const logger = createLogger({ pretty: true, destination: { write: (line) => lines.push(line) } });
    logger.child({ stage: 'capture' }).error({ err: new Error('unplugged'), streamId: 'mic' }, 'source failed');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} ERROR capture: source failed {2}streamId=mic\nError: unplugged\n/);
  });

  it('leaves a line alone that is not its own', () => {
    expect(readableLine('plain\n')).toBe('plain\n');
  });

  it('keeps stdout free, and the last line before an exit', () => {
    const program = `import { createLogger } from ${JSON.stringify(builtModule('common/log'))}; createLogger({ pretty: false }).info('last words'); process.exit(0);`;
    const run = (redirect: string) => execFileSync('sh', ['-c', `"$0" --input-type=module -e "$1" ${redirect}`, process.execPath, program], { encoding: 'utf8' });
    expect(run('2>/dev/null')).toBe('');
    expect(run('2>&1 >/dev/null')).toContain('last words');
  });
});
