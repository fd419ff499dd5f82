/**
 * Every setting of a station, defined once: its key names it in the YAML file, its environment variable and its flag
 * follow from the key, and `config print` shows value and origin.
 */
import { Type, type TSchema } from '@sinclair/typebox';

/** One setting. */
export interface Setting {
  /** Dotted key in the configuration file, e.g. `server.port`. */
  key: string;
  /** Command-line flag without dashes, e.g. `port`. */
  flag: string;
  schema: TSchema;
  default: unknown;
  /** How the flag's value is named in --help; absent for switches. */
  argument?: string;
  /** One line for --help and docs. */
  description: string;
}

export const settings = [
  setting('sources', 'source', Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 64 }), ['synth'], 'what to listen to: synth[:kind], file:PATH, mic, mic:NAME; repeat for several streams', '<spec>'),
  setting('server.host', 'host', Type.String({ minLength: 1 }), '127.0.0.1', 'address to listen on', '<address>'),
  setting('server.port', 'port', Type.Integer({ minimum: 0, maximum: 65535 }), 8600, 'port to listen on; 0 takes a free one', '<n>'),
  setting('server.allowOpen', 'allow-open', Type.Boolean(), false, 'listen beyond this machine without tokens'),
  setting('server.tokens', 'token', Type.Array(Type.String({ minLength: 8 })), [], 'accept only clients that present this token (≥ 8 characters); repeatable', '<token>'),
  setting('server.allowedOrigins', 'allow-origin', Type.Array(Type.String({ minLength: 1 })), [], 'other web origins whose pages may connect, e.g. https://ward.example; repeatable', '<origin>'),
  setting('server.allowedHosts', 'allow-host', Type.Array(Type.String({ minLength: 1 })), [], 'other host names under which the station may be addressed; repeatable', '<name>'),
  setting('model', 'model', Type.String({ minLength: 1 }), 'heart-resnet34', 'model package: a name in models/ or a folder', '<name|folder>'),
  setting('engine', 'engine', Type.Union(['auto', 'onnx', 'webgpu', 'cuda', 'tensorflow'].map((name) => Type.Literal(name))), 'auto', 'inference engine: auto, onnx (CPU), webgpu, cuda, tensorflow', '<name>'),
  setting('threads', 'threads', Type.Integer({ minimum: 0, maximum: 256 }), 0, 'threads of the engine; 0 = one per core', '<n>'),
  setting('batching.maxBatchSize', 'max-batch', Type.Integer({ minimum: 1, maximum: 256 }), 8, 'most windows in one inference', '<n>'),
  setting('batching.maxQueueDelayMs', 'max-queue-delay', Type.Number({ minimum: 0, maximum: 1000 }), 0, 'how long an idle engine waits for more windows, ms', '<ms>'),
  setting('batching.maxQueuePerStream', 'max-queue', Type.Integer({ minimum: 1, maximum: 10_000 }), 8, 'windows a stream may have waiting before its oldest is dropped', '<n>'),
  setting('labels.smoothingMs', 'smoothing', Type.Number({ minimum: 0, maximum: 60_000 }), 500, 'time constant of the label smoothing, ms; 0 = none', '<ms>'),
  setting('labels.margin', 'margin', Type.Number({ minimum: 0, maximum: 1 }), 0.1, 'lead in probability that a new label needs to take over', '<p>'),
  setting('labels.unknownBelow', 'unknown-below', Type.Union([Type.Number({ minimum: 0, maximum: 1 }), Type.Null()]), null, "confidence below which the label is unknown; default: the model's", '<p>'),
  setting('capture.speed', 'speed', Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Literal('max')]), 1, 'pace of files and the synthesiser: 1 = real time, max = as fast as they are labelled', '<factor|max>'),
  setting('capture.stallMs', 'stall', Type.Integer({ minimum: 100, maximum: 600_000 }), 2000, 'silence of a live source before it is restarted, ms', '<ms>'),
  setting('capture.channel', 'channel', Type.Union([Type.Literal('mix'), Type.Integer({ minimum: 0, maximum: 63 })]), 'mix', 'channel to listen to, from 0, or mix', '<n|mix>'),
  setting('log.level', 'log-level', Type.Union(['silent', 'error', 'warn', 'info', 'debug'].map((name) => Type.Literal(name))), 'info', 'silent, error, warn, info or debug', '<level>'),
] as const satisfies readonly Setting[];

function setting(key: string, flag: string, schema: TSchema, byDefault: unknown, description: string, argument?: string): Setting {
  return { key, flag, schema, default: byDefault, description, ...(argument === undefined ? {} : { argument }) };
}

/** Environment variable of a setting: `server.allowOpen` → `STETHOSTREAM_SERVER_ALLOW_OPEN`. */
export function environmentName(key: string): string {
  return `STETHOSTREAM_${key.replace(/([a-z])([A-Z])/g, '$1_$2').replaceAll('.', '_').toUpperCase()}`;
}

/** The settings in force, nested as in the file. */
export interface StationConfig {
  sources: string[];
  server: { host: string; port: number; allowOpen: boolean; tokens: string[]; allowedOrigins: string[]; allowedHosts: string[] };
  model: string;
  engine: 'auto' | 'onnx' | 'webgpu' | 'cuda' | 'tensorflow';
  threads: number;
  batching: { maxBatchSize: number; maxQueueDelayMs: number; maxQueuePerStream: number };
  labels: { smoothingMs: number; margin: number; unknownBelow: number | null };
  capture: { speed: number | 'max'; stallMs: number; channel: 'mix' | number };
  log: { level: 'silent' | 'error' | 'warn' | 'info' | 'debug' };
}
