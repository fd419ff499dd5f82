/**
 * Reads the configuration: defaults, then the YAML file, then the environment, then flags; the later wins. A value
 * that breaks its limits, or a key nobody knows, is an error that names where it came from.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { parse } from 'yaml';
import { StageError } from '../common/stage-error.js';
import { environmentName, settings, type Setting, type StationConfig } from './settings.js';

/** Where a value came from, e.g. `default`, `file stethostream.yaml`, `environment STETHOSTREAM_MODEL`, `flag --model`. */
export type Origin = string;

export interface LoadedConfig {
  config: StationConfig;
  /** Origin by key. */
  origins: Record<string, Origin>;
}

export interface ConfigInputs {
  /** Path given by --config; absent = `stethostream.yaml` in the current folder where there is one. */
  file?: string;
  environment?: NodeJS.ProcessEnv;
  /** Values by flag name in camelCase, as commander gives them; undefined = not given. */
  flags?: Record<string, unknown>;
}

const DEFAULT_FILE = 'stethostream.yaml';

/** Merges all inputs. Throws APP_CONFIG_INVALID or APP_CONFIG_NOT_FOUND. */
export function loadConfig(inputs: ConfigInputs = {}): LoadedConfig {
  const values: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  const put = (s: Setting, value: unknown, origin: Origin) => {
    values[s.key] = checked(s, value, origin);
    origins[s.key] = origin;
  };

  for (const s of settings) put(s, s.default, 'default');
  const file = readFile(inputs.file);
  for (const [key, value] of Object.entries(file.values)) put(known(key, file.name), value, `file ${file.name}`);
  for (const s of settings) {
    const name = environmentName(s.key);
    const text = inputs.environment?.[name];
    if (text !== undefined && text !== '') put(s, fromText(s, text), `environment ${name}`);
  }
  for (const s of settings) {
    const value = inputs.flags?.[camel(s.flag)];
    if (value !== undefined) put(s, typeof value === 'string' ? fromText(s, value) : value, `flag --${s.flag}`);
  }
  return { config: nest(values) as unknown as StationConfig, origins };
}

function readFile(path: string | undefined): { name: string; values: Record<string, unknown> } {
  const name = path ?? DEFAULT_FILE;
  if (!existsSync(name)) {
    if (path === undefined) return { name, values: {} };
    throw new StageError({
      code: 'APP_CONFIG_NOT_FOUND',
      stage: 'app',
      message: `configuration file ${name} does not exist`,
      remedy: 'Give an existing file with --config, or leave it out: the defaults need none.',
    });
  }
  let parsed: unknown;
  try {
    parsed = parse(readFileSync(name, 'utf8')) ?? {};
  } catch (error) {
    throw invalid(`${name} is not YAML: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`, error);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid(`${name} must hold a mapping of settings`);
  return { name, values: flatten(parsed as Record<string, unknown>) };
}

/** `{server: {port: 1}}` → `{'server.port': 1}`. */
function flatten(tree: Record<string, unknown>, prefix = ''): Record<string, unknown> {
  const flat: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(tree)) {
    const key = prefix + name;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      Object.assign(flat, flatten(value as Record<string, unknown>, `${key}.`));
    } else flat[key] = value;
  }
  return flat;
}

function nest(flat: Record<string, unknown>): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(flat)) {
    const [head, tail] = key.split('.') as [string, string | undefined];
    if (tail === undefined) tree[head] = value;
    else tree[head] = { ...(tree[head] as Record<string, unknown> | undefined), [tail]: value };
  }
  return tree;
}

function known(key: string, file: string): Setting {
  const found = settings.find((s) => s.key === key);
  if (found) return found;
  throw invalid(`${file} has an unknown setting ${key}; known are ${settings.map((s) => s.key).join(', ')}`);
}

/** Environment variables and flags are text: lists are separated by commas, the rest is a YAML scalar. */
function fromText(s: Setting, text: string): unknown {
  if (s.schema['type'] === 'array') return text.split(',').map((part) => part.trim());
  if (s.schema['type'] === 'string') return text;
  return parse(text) as unknown;
}

function checked(s: Setting, value: unknown, origin: Origin): unknown {
  if (Value.Check(s.schema, value)) return value;
  throw invalid(`${s.key} = ${JSON.stringify(value)} (${origin}) is not allowed; expected ${inWords(s.schema)}: ${s.description}`);
}

/** What a schema of settings.ts allows, for people. */
function inWords(schema: TSchema): string {
  const { anyOf, const: constant, type, items, ...limits } = schema as TSchema & { anyOf?: TSchema[]; const?: unknown; type?: string; items?: TSchema };
  if (anyOf) return anyOf.map(inWords).join(' or ');
  if (constant !== undefined) return String(constant);
  const bounds = Object.entries(limits).flatMap(([name, limit]) => (name in BOUND_WORDS ? [`${BOUND_WORDS[name]} ${String(limit)}`] : []));
  const what = items ? `a list of ${inWords(items)}` : type === 'null' ? 'null' : `${type === 'integer' ? 'an' : 'a'} ${type ?? 'value'}`;
  return [what, ...(bounds.length > 0 ? [bounds.join(', ')] : [])].join(' with ');
}

const BOUND_WORDS: Record<string, string> = {
  minimum: 'value ≥',
  exclusiveMinimum: 'value >',
  maximum: 'value ≤',
  minLength: 'length ≥',
  minItems: 'entries ≥',
  maxItems: 'entries ≤',
};

function invalid(message: string, cause?: unknown): StageError {
  return new StageError({
    code: 'APP_CONFIG_INVALID',
    stage: 'app',
    message,
    remedy: '`stethostream config print` shows every setting, its value and where it came from.',
    cause,
  });
}

function camel(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
