/**
 * Checks what comes over the wire against the schemas of messages.ts.
 *
 * Uses TypeBox's interpreting checker: its compiler builds functions with `new Function`, which the dashboard's
 * Content-Security-Policy forbids, and one checker for server and browser can't disagree with itself.
 * Nothing is registered globally: `format` is an annotation here, the `pattern` beside it is what is checked.
 */
import type { TSchema } from '@sinclair/typebox';
import { Value, type ValueError } from '@sinclair/typebox/value';
import { clientMessageSchemas, serverMessageSchemas, type ClientMessage, type ServerMessage } from './messages.js';

/** The first thing that is wrong with a message. */
export interface Violation {
  /** JSON pointer into the message, `` for the whole of it. */
  path: string;
  /** The offending value as JSON, cut to 80 characters. */
  value: string;
  /** What was expected there. */
  expectation: string;
  /** The three in one sentence. */
  message: string;
}

export type Parsed<T> = { ok: true; message: T } | { ok: false; violation: Violation };

export interface ParseOptions {
  /**
   * Accept properties that the schema doesn't know, as a reader must that may meet a server with a newer minor version
   * of the protocol. Default false.
   */
  allowUnknownProperties?: boolean;
}

/** Parses and checks what a subscriber sent. Never throws. */
export function parseClientMessage(text: string): Parsed<ClientMessage> {
  return parse<ClientMessage>(text, strictClient);
}

/** Parses and checks what a station sent. Never throws. */
export function parseServerMessage(text: string, options: ParseOptions = {}): Parsed<ServerMessage> {
  return parse<ServerMessage>(text, options.allowUnknownProperties ? lenientServer : strictServer);
}

/** Checks a value that was made in this process. */
export function checkServerMessage(value: unknown): Parsed<ServerMessage> {
  return check<ServerMessage>(value, strictServer);
}

type Schemas = ReadonlyMap<string, TSchema>;

const strictServer = checkable(serverMessageSchemas, false);
const lenientServer = checkable(serverMessageSchemas, true);
const strictClient = checkable(clientMessageSchemas, false);

function parse<T>(text: string, schemas: Schemas): Parsed<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return violation('', text, 'JSON', false);
  }
  return check<T>(value, schemas);
}

function check<T>(value: unknown, schemas: Schemas): Parsed<T> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return violation('', value, 'an object');
  const type = (value as { type?: unknown }).type;
  const schema = typeof type === 'string' ? schemas.get(type) : undefined;
  if (schema === undefined) return violation('/type', type, `one of ${[...schemas.keys()].join(', ')}`);
  if (Value.Check(schema, value)) return { ok: true, message: value as T };
  const first = Value.Errors(schema, value).First();
  return first === undefined ? violation('', value, `a valid ${type as string}`) : violation(first.path, first.value, expectation(first));
}

function violation(path: string, value: unknown, expected: string, encode = true): { ok: false; violation: Violation } {
  const shown = abbreviate(encode ? (JSON.stringify(value) ?? 'nothing') : String(value));
  const where = path === '' ? 'the message' : path;
  return { ok: false, violation: { path, value: shown, expectation: expected, message: `${where} is ${shown}, expected ${expected}` } };
}

function abbreviate(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

/** TypeBox says `Expected union value`; the literals it would take say more. */
function expectation(error: ValueError): string {
  const literals = (error.schema['anyOf'] as TSchema[] | undefined)?.map((option) => option['const'] as unknown);
  if (literals?.every((literal) => literal !== undefined)) return `one of ${literals.join(', ')}`;
  if (error.message === 'Unexpected property') return 'no such property';
  return error.message.replace(/^Expected /, '');
}

function checkable(schemas: Readonly<Record<string, TSchema>>, lenient: boolean): Schemas {
  return new Map(Object.entries(schemas).map(([type, schema]) => [type, adapt(schema, lenient) as TSchema]));
}

/** A copy (TypeBox's symbol keys included) without `format`, which unregistered would fail, and open where lenient. */
function adapt(node: unknown, lenient: boolean): unknown {
  if (Array.isArray(node)) return node.map((item) => adapt(item, lenient));
  if (typeof node !== 'object' || node === null) return node;
  const copy: Record<PropertyKey, unknown> = {};
  for (const key of Reflect.ownKeys(node)) {
    const value = (node as Record<PropertyKey, unknown>)[key];
    const annotation = key === 'format' && typeof value === 'string';
    const closing = lenient && key === 'additionalProperties' && value === false;
    if (!annotation && !closing) copy[key] = adapt(value, lenient);
  }
  return copy;
}
