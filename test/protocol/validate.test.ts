/** Messages are accepted exactly when they fit their schemas, and what is wrong is named. */
import { FormatRegistry, type TSchema } from '@sinclair/typebox';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientExamples, serverExamples } from '../../src/protocol/examples.js';
import { clientMessageSchemas, serverMessageSchemas } from '../../src/protocol/messages.js';
import { checkServerMessage, parseClientMessage, parseServerMessage } from '../../src/protocol/validate.js';

/** Values of a schema; follows what messages.ts uses and refuses what it doesn't know, so that nothing is left out silently. */
function valuesOf(schema: TSchema): fc.Arbitrary<unknown> {
  if (schema['anyOf']) return fc.oneof(...(schema['anyOf'] as TSchema[]).map(valuesOf));
  if ('const' in schema) return fc.constant(schema['const']);
  const { type, pattern, minimum, maximum, maxItems } = schema as unknown as { type: string; pattern?: string; minimum?: number; maximum?: number; maxItems?: number };
  switch (type) {
    case 'object': {
      if (schema['patternProperties']) return fc.dictionary(fc.string(), fc.double({ min: 0, max: 1, noNaN: true }));
      const properties = schema['properties'] as Record<string, TSchema>;
      const arbitraries = Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, valuesOf(value)]));
      return fc.record(arbitraries, { requiredKeys: (schema['required'] as string[] | undefined) ?? [] });
    }
    case 'array':
      return fc.array(valuesOf(schema['items'] as TSchema), { maxLength: Math.min(5, maxItems ?? 5) });
    case 'string':
      if (schema['format'] === 'date-time') return fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }).map((date) => date.toISOString());
      return pattern === undefined ? fc.string({ unit: 'binary' }) : fc.stringMatching(new RegExp(pattern));
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: minimum ?? -1000, max: maximum ?? 2 ** 31 - 1 });
    case 'number':
      return fc.double({ min: minimum ?? -1e9, max: maximum ?? 1e9, noNaN: true }).map((value) => (value === 0 ? 0 : value));
    default:
      throw new Error(`no values for ${JSON.stringify(schema)}`);
  }
}

describe.each(Object.entries({ ...serverMessageSchemas, ...clientMessageSchemas }))('%s', (type, schema) => {
  const parse = type in clientMessageSchemas ? parseClientMessage : parseServerMessage;

  it('round-trips whatever its schema allows', () => {
    fc.assert(
      fc.property(valuesOf(schema), (message) => {
        expect(parse(JSON.stringify(message))).toEqual({ ok: true, message });
      }),
      { numRuns: 100 },
    );
  });

  it('is refused without any required member, with its path', () => {
    const example = ({ ...serverExamples, ...clientExamples } as Record<string, object>)[type] as Record<string, unknown>;
    for (const key of schema.required as string[]) {
      const parsed = parse(JSON.stringify({ ...example, [key]: undefined }));
      expect(parsed).toMatchObject({ ok: false, violation: { path: `/${key}` } });
    }
  });

  it('is refused with a member it does not have', () => {
    const example = ({ ...serverExamples, ...clientExamples } as Record<string, object>)[type];
    expect(parse(JSON.stringify({ ...example, surplus: 1 }))).toMatchObject({ ok: false, violation: { path: '/surplus', expectation: 'no such property' } });
  });

  it('is refused when one of its members is of another type', () => {
    const example = ({ ...serverExamples, ...clientExamples } as Record<string, object>)[type] as Record<string, unknown>;
    for (const key of Object.keys(example)) {
      const wrong = typeof example[key] === 'number' ? 'text' : 12;
      expect(parse(JSON.stringify({ ...example, [key]: wrong })).ok).toBe(false);
    }
  });
});

describe('examples', () => {
  it.each(Object.values(serverExamples))('$type validates', (example) => {
    expect(checkServerMessage(example)).toEqual({ ok: true, message: example });
  });
  it('show frames whose bytes match their shape', () => {
    const { melDb, nMels, columns } = serverExamples.frames;
    expect(Buffer.from(melDb, 'base64')).toHaveLength(nMels * columns);
  });
});

describe('parsing', () => {
  it('never throws and never accepts what is no message', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.jsonValue().map((value) => JSON.stringify({ type: 'hello', ...Object(value) }))), (text) => {
        for (const parsed of [parseClientMessage(text), parseServerMessage(text), parseServerMessage(text, { allowUnknownProperties: true })]) {
          expect(parsed.ok).toBe(false);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['', 'the message is , expected JSON'],
    ['null', 'the message is null, expected an object'],
    ['{}', '/type is nothing, expected one of subscribe'],
    ['{"type":"toString"}', '/type is "toString", expected one of subscribe'],
    ['{"type":"subscribe","kinds":["all"]}', '/kinds/0 is "all", expected one of prediction, status, gap, drop, error, frames'],
    ['{"type":"subscribe","streams":"synth"}', '/streams is "synth", expected array'],
    ['{"type":"subscribe","__proto__":{"streams":[]}}', '/__proto__ is {"streams":[]}, expected no such property'],
  ])('says what is wrong with %s', (text, message) => {
    expect(parseClientMessage(text)).toMatchObject({ ok: false, violation: { message } });
  });

  it('cuts long values short', () => {
    const parsed = parseClientMessage(`{"type":"${'x'.repeat(10_000)}"}`);
    expect(parsed.ok ? '' : parsed.violation.message.length).toBeLessThan(150);
  });

  it.each(['2026-03-14T09:26:53Z', '2026-03-14 09:26:53.589Z', '2026-13-14T09:26:53.589Z', '2026-03-14T24:26:53.589Z', '2026-03-14T09:26:53.589+00:00', 'now'])(
    'refuses the time %s',
    (time) => {
      expect(checkServerMessage({ ...serverExamples.status, time })).toMatchObject({ ok: false, violation: { path: '/time' } });
    },
  );

  it('refuses numbers that JSON cannot carry', () => {
    for (const latencyMs of [NaN, Infinity, -Infinity]) expect(checkServerMessage({ ...serverExamples.prediction, latencyMs }).ok).toBe(false);
  });

  it('lets a newer station add members, but not take any away, where asked to', () => {
    const newer = { ...serverExamples.prediction, heartRateBpm: 71, window: { ...serverExamples.prediction.window, note: '' } };
    expect(parseServerMessage(JSON.stringify(newer)).ok).toBe(false);
    expect(parseServerMessage(JSON.stringify(newer), { allowUnknownProperties: true })).toEqual({ ok: true, message: newer });
    expect(parseServerMessage(JSON.stringify({ ...newer, label: undefined }), { allowUnknownProperties: true }).ok).toBe(false);
  });

  it('registers nothing globally', () => {
    expect(FormatRegistry.Has('date-time')).toBe(false);
  });
});
