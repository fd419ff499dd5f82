/**
 * The AsyncAPI 3.0 document of the stream, made from the schemas in messages.ts: what validates is what is documented.
 * docs/asyncapi.json is this document on disk (scripts/make-asyncapi.mjs); a station serves it at /asyncapi.json.
 */
import type { TSchema } from '@sinclair/typebox';
import { DISCLAIMER } from '../common/disclaimer.js';
import { clientExamples, serverExamples } from './examples.js';
import {
  clientMessageSchemas,
  EngineDescription,
  ModelDescription,
  PROTOCOL_VERSION,
  serverMessageSchemas,
  STREAM_PATH,
  StreamDescription,
  SUBPROTOCOL,
} from './messages.js';

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
type JsonObject = { [key: string]: JsonValue };

const DESCRIPTION =
  'Labels of live heart sounds. The server greets with `hello`, then sends what happens; a client may choose streams and kinds with `subscribe`. ' +
  DISCLAIMER;
const MESSAGE_SCHEMAS: Readonly<Record<string, TSchema>> = { ...serverMessageSchemas, ...clientMessageSchemas };
const EXAMPLES: Readonly<Record<string, unknown>> = { ...serverExamples, ...clientExamples };

/**
 * Makes the document.
 *
 * @param host `host:port` of the station it describes.
 */
export function asyncApiDocument(host = '127.0.0.1:8600'): JsonObject {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'StethoStream',
      version: `${PROTOCOL_VERSION}.0`,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: { station: { host, protocol: 'ws', description: 'A station.', security: securityReferences() } },
    channels: { stream: channel() },
    operations: operations(),
    components: { messages: messages(), schemas: schemas(), securitySchemes: securitySchemes() },
  };
}

function channel(): JsonObject {
  return {
    address: STREAM_PATH,
    description: `One WebSocket, subprotocol \`${SUBPROTOCOL}\`; JSON text messages, told apart by \`type\`.`,
    messages: Object.fromEntries(Object.keys(MESSAGE_SCHEMAS).map((type) => [type, reference(`components/messages/${type}`)])),
    bindings: {
      ws: {
        bindingVersion: '0.1.0',
        method: 'GET',
        query: {
          type: 'object',
          properties: { token: { type: 'string', description: 'A token, where the station wants one and headers cannot be set.' } },
        },
        headers: { type: 'object', properties: { 'Sec-WebSocket-Protocol': { type: 'string', const: SUBPROTOCOL } } },
      },
    },
  };
}

/** From the server's point of view, as AsyncAPI wants it. */
function operations(): JsonObject {
  return {
    publish: operation('send', 'What the station tells its subscribers.', Object.keys(serverMessageSchemas)),
    subscribe: operation('receive', 'A subscriber chooses what it receives.', Object.keys(clientMessageSchemas)),
  };
}

function operation(action: 'send' | 'receive', summary: string, types: string[]): JsonObject {
  return {
    action,
    channel: reference('channels/stream'),
    summary,
    messages: types.map((type) => reference(`channels/stream/messages/${type}`)),
  };
}

function messages(): JsonObject {
  return Object.fromEntries(
    Object.entries(MESSAGE_SCHEMAS).map(([type, schema]): [string, JsonObject] => [
      type,
      {
        name: type,
        title: nameOf(schema),
        summary: schema.description ?? '',
        contentType: 'application/json',
        payload: reference(`components/schemas/${nameOf(schema)}`),
        examples: [{ name: type, payload: EXAMPLES[type] as JsonValue }],
      },
    ]),
  );
}

function schemas(): JsonObject {
  const named = [...Object.values(MESSAGE_SCHEMAS), StreamDescription, ModelDescription, EngineDescription];
  return Object.fromEntries(named.map((schema) => [nameOf(schema), plain(schema, true)]));
}

function securitySchemes(): JsonObject {
  return {
    bearer: { type: 'http', scheme: 'bearer', description: 'Only where the station has tokens.' },
    queryToken: { type: 'httpApiKey', in: 'query', name: 'token', description: 'The same, where headers cannot be set.' },
  };
}

function securityReferences(): JsonValue[] {
  return Object.keys(securitySchemes()).map((scheme) => reference(`components/securitySchemes/${scheme}`));
}

function reference(path: string): JsonObject {
  return { $ref: `#/${path}` };
}

function nameOf(schema: TSchema): string {
  if (schema.$id === undefined) throw new Error('a schema with a name of its own needs an $id');
  return schema.$id;
}

/** TypeBox's schema as plain JSON Schema: named parts by reference, unions of literals as enum. */
function plain(node: unknown, isTop = false): JsonValue {
  if (Array.isArray(node)) return node.map((item) => plain(item));
  if (typeof node !== 'object' || node === null) return node as JsonValue;
  const { $id, anyOf, ...rest } = node as { $id?: unknown; anyOf?: { const?: string; type?: string }[] };
  if (typeof $id === 'string' && !isTop) return reference(`components/schemas/${$id}`);
  const copy = Object.fromEntries(Object.entries(rest).map(([key, value]): [string, JsonValue] => [key, plain(value)]));
  if (anyOf === undefined) return copy;
  if (anyOf.every((option) => typeof option.const === 'string')) {
    return { ...copy, type: 'string', enum: anyOf.map((option) => option.const as string) };
  }
  return { ...copy, anyOf: plain(anyOf) };
}
