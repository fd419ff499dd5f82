/** The AsyncAPI document: current on disk, whole, and true to the validators. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/common/paths.js';
import { asyncApiDocument } from '../../src/protocol/asyncapi.js';
import { clientMessageSchemas, serverMessageSchemas } from '../../src/protocol/messages.js';
import { parseClientMessage, parseServerMessage } from '../../src/protocol/validate.js';

type Node = { [key: string]: Node } & string;
const document = JSON.parse(JSON.stringify(asyncApiDocument())) as Node;

function resolve(reference: string): unknown {
  return reference
    .slice(2)
    .split('/')
    .reduce<Node | undefined>((node, key) => node?.[key], document);
}

describe('AsyncAPI document', () => {
  it('on disk is current', () => {
    const onDisk = readFileSync(join(packageRoot, 'docs', 'asyncapi.json'), 'utf8');
    expect(onDisk, 'run `npm run build && node scripts/make-asyncapi.mjs`').toBe(`${JSON.stringify(asyncApiDocument(), null, 2)}\n`);
  });

  it('has no dangling reference', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] as string);
    expect(references.length).toBeGreaterThan(20);
    for (const reference of references) expect([reference, resolve(reference)]).toEqual([reference, expect.anything()]);
  });

  it('lists every message in the operation of its direction', () => {
    const typesOf = (operation: Node | undefined) => (operation?.['messages'] as unknown as { $ref: string }[]).map(({ $ref }) => $ref.split('/').at(-1));
    expect(document['operations']?.['publish']).toMatchObject({ action: 'send' });
    expect(typesOf(document['operations']?.['publish'])).toEqual(Object.keys(serverMessageSchemas));
    expect(document['operations']?.['subscribe']).toMatchObject({ action: 'receive' });
    expect(typesOf(document['operations']?.['subscribe'])).toEqual(Object.keys(clientMessageSchemas));
  });

  it('gives each message an example that its validator accepts', () => {
    const messages = document['components']?.['messages'] as unknown as Record<string, { examples: { payload: { type: string } }[] }>;
    expect(Object.keys(messages)).toEqual([...Object.keys(serverMessageSchemas), ...Object.keys(clientMessageSchemas)]);
    for (const [type, { examples }] of Object.entries(messages)) {
      const payload = examples[0]?.payload;
      const parse = type in clientMessageSchemas ? parseClientMessage : parseServerMessage;
      expect(payload?.type).toBe(type);
      expect(parse(JSON.stringify(payload))).toEqual({ ok: true, message: payload });
    }
  });

  it('carries the constraints that the validators check', () => {
    const schemas = document['components']?.['schemas'] as unknown as Record<string, { required: string[]; additionalProperties: boolean; properties: Record<string, object> }>;
    expect(schemas['Prediction']?.required).toContain('latencyMs');
    expect(schemas['Prediction']?.additionalProperties).toBe(false);
    expect(schemas['Prediction']?.properties['confidence']).toMatchObject({ type: 'number', minimum: 0, maximum: 1 });
    expect(schemas['Status']?.properties['state']).toMatchObject({ type: 'string', enum: ['starting', 'live', 'stalled', 'recovering', 'failed', 'ended'] });
    expect(schemas['Hello']?.properties['model']).toEqual({ $ref: '#/components/schemas/ModelDescription' });
  });
});
