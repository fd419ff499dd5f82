/** Checks manifest.json and golden.json: their schemas, and the rules between fields that a schema cannot say. */
import { isAbsolute } from 'node:path';
import type { Static, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { inferenceError } from './inference-error.js';
import { Golden, Manifest } from './manifest.js';

/** Problems listed in one message; the rest is counted. */
const MAX_LISTED = 5;

/** One thing wrong: where (JSON pointer), what is there, what was expected. */
interface Problem {
  path: string;
  value: unknown;
  expected: string;
}

/** @throws StageError INFERENCE_MANIFEST_INVALID listing path, value and expectation. */
export function checkManifest(value: unknown, source: string): Manifest {
  const remedy = 'Correct the field named, or export the model package again with `stethostream train`.';
  const manifest = checkSchema(Manifest, value, source, 'INFERENCE_MANIFEST_INVALID', remedy);
  const problems = manifestProblems(manifest);
  if (problems.length > 0) throw inferenceError('INFERENCE_MANIFEST_INVALID', describe(source, problems), remedy);
  return manifest;
}

/** @throws StageError INFERENCE_GOLDEN_INVALID when it does not fit its schema or the manifest. */
export function checkGoldenFile(value: unknown, manifest: Manifest, source: string): Golden {
  const remedy = 'Export the model package again with `stethostream train`.';
  const golden = checkSchema(Golden, value, source, 'INFERENCE_GOLDEN_INVALID', remedy);
  const inputs = manifest.features.mel.nMels * manifest.features.windowFrames;
  const problems: Problem[] = [];
  if (golden.input.length !== inputs) problems.push({ path: '/input/length', value: golden.input.length, expected: `${inputs} = nMels × windowFrames` });
  if (golden.probabilities.length !== manifest.labels.length) {
    problems.push({ path: '/probabilities/length', value: golden.probabilities.length, expected: `${manifest.labels.length}, one for each label` });
  }
  const sum = golden.probabilities.reduce((total, p) => total + p, 0);
  if (Math.abs(sum - 1) > 1e-3) problems.push({ path: '/probabilities', value: `sum ${sum}`, expected: 'probabilities that sum to 1' });
  if (problems.length > 0) throw inferenceError('INFERENCE_GOLDEN_INVALID', describe(source, problems), remedy);
  return golden;
}

function checkSchema<S extends TSchema>(schema: S, value: unknown, source: string, code: 'INFERENCE_MANIFEST_INVALID' | 'INFERENCE_GOLDEN_INVALID', remedy: string): Static<S> {
  if (Value.Check(schema, value)) return value;
  const problems = [...Value.Errors(schema, value)].map((error) => ({ path: error.path || '/', value: error.value, expected: expectation(error) }));
  throw inferenceError(code, describe(source, problems), remedy);
}

function expectation({ message, schema }: { message: string; schema: TSchema }): string {
  const choices = (schema['anyOf'] as { const?: unknown; type?: string }[] | undefined)?.map((option) => JSON.stringify(option.const) ?? option.type);
  const text = choices === undefined ? message.replace(/^Expected /, '') : `one of ${choices.join(', ')}`;
  return schema.description === undefined ? text : `${text} (${schema.description.replace(/\.$/, '')})`;
}

function manifestProblems(manifest: Manifest): Problem[] {
  const { mel, windowFrames, windowHopFrames } = manifest.features;
  const problems: Problem[] = [];
  const rule = (holds: boolean, path: string, value: unknown, expected: string) => {
    if (!holds) problems.push({ path, value, expected });
  };
  rule(Number.isInteger(Math.log2(mel.nFft)), '/features/mel/nFft', mel.nFft, 'a power of two');
  rule(mel.winLength <= mel.nFft, '/features/mel/winLength', mel.winLength, `at most nFft = ${mel.nFft}`);
  rule(mel.fMaxHz <= mel.sampleRateHz / 2, '/features/mel/fMaxHz', mel.fMaxHz, `at most sampleRateHz / 2 = ${mel.sampleRateHz / 2}`);
  rule(mel.fMinHz < mel.fMaxHz, '/features/mel/fMinHz', mel.fMinHz, `below fMaxHz = ${mel.fMaxHz}`);
  rule(windowHopFrames <= windowFrames, '/features/windowHopFrames', windowHopFrames, `at most windowFrames = ${windowFrames}: hops must not skip sound`);
  rule(new Set(manifest.labels).size === manifest.labels.length, '/labels', manifest.labels, 'labels that differ');
  rule(!manifest.labels.includes('unknown'), '/labels', manifest.labels, 'no `unknown`: that is a result of the quality gate, not of the model');
  for (const label of manifest.experimentalLabels) rule(manifest.labels.includes(label), '/experimentalLabels', label, 'one of /labels');
  for (const [name, file] of Object.entries(manifest.files)) {
    const inside = file.path !== '' && !isAbsolute(file.path) && !file.path.split(/[\\/]/).includes('..');
    rule(inside, `/files/${name}/path`, file.path, 'a path inside the package folder');
  }
  return problems;
}

function describe(source: string, problems: Problem[]): string {
  const listed = problems.slice(0, MAX_LISTED).map(({ path, value, expected }) => `${path} is ${shown(value)}, expected ${expected}`);
  const more = problems.length > MAX_LISTED ? `; and ${problems.length - MAX_LISTED} more` : '';
  return `${source}: ${listed.join('; ')}${more}`;
}

function shown(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
