/** docs/protocol.md is true: its tables match the schemas, its limits the defaults, and its examples run. */
import { readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { packageRoot } from '../../src/common/paths.js';
import { clientMessageSchemas, serverMessageSchemas } from '../../src/protocol/messages.js';
import { DEFAULT_LIMITS } from '../../src/serve/index.js';
import { prediction, startStation, status, stopAll, until } from '../serve/harness.js';

afterEach(stopAll);
const doc = readFileSync(joinPath(packageRoot, 'docs', 'protocol.md'), 'utf8');
const examples = [...doc.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] as string);

describe('docs/protocol.md', () => {
  it.each(Object.entries({ ...serverMessageSchemas, ...clientMessageSchemas }))('describes %s with its members', (type, schema) => {
    const members = Object.keys(schema.properties).filter((key) => key !== 'type');
    const listed = members.map((key) => `\`${key}\`${(schema.required as string[]).includes(key) ? '' : '?'}`).join(', ');
    expect(doc).toContain(`| \`${type}\` | ${schema.description} | ${listed} |`);
  });

  it('names the limits in force', () => {
    const { maxQueuedMessages, maxQueuedBytes, dropReportMs, stallTimeoutMs, maxBadMessages, maxMessagesPerSecond, maxPayloadBytes, heartbeatMs } = DEFAULT_LIMITS;
    for (const phrase of [
      `Up to ${maxQueuedMessages} messages or ${maxQueuedBytes / 2 ** 20} MiB`,
      `every ${dropReportMs / 1000} s`,
      `nothing for ${stallTimeoutMs / 1000} s`,
      `more than ${maxBadMessages} of them`,
      `more than ${maxMessagesPerSecond} messages in a second`,
      `more than ${maxPayloadBytes / 1024} KiB`,
      `pings every ${heartbeatMs / 1000} s`,
    ]) {
      expect(doc).toContain(phrase);
    }
  });

  it.each([
    ['browser', 0],
    ['Node', 1],
  ])('has a %s example that prints predictions', async (_runtime, index) => {
    const { stream, publish } = await startStation();
    const printed: string[] = [];
    const console = { log: (...words: unknown[]) => printed.push(words.join(' ')), error: () => undefined };
    const { connect } = await import('../../src/client/index.js');
    const source = (examples[index] as string).replace(/^import .*$/gm, '').replaceAll('ws://127.0.0.1:8600/v1/stream', stream);
    const run = new Function('console', 'WebSocket', 'connect', `${source}\nreturn typeof socket === 'undefined' ? station : socket;`) as (...args: unknown[]) => object;
    run(console, WebSocket, connect);
    publish.next(status('synth'));
    publish.next(prediction(1));
    await until(() => printed.some((line) => line.startsWith('synth') && line.includes('murmur')), 'a printed prediction');
    await vi.waitFor(() => expect(printed.join('\n')).toContain('0.81'));
  });
});
