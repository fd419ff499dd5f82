/** Heart states for a recipe with a frame head, and what is said of them. */
import { readHeartStates, type StateInterval } from './heart-states.js';
import type { StageRecipe } from './recipe.js';
import type { RunLog } from './run-log.js';

/** Intervals by a recording's absolute path. */
export type StatesByPath = ReadonlyMap<string, readonly StateInterval[]>;

/** Those in the folder, where one of the stages has a frame head; else, and where there are none, empty: no frame head. Throws TRAINING_STATES_INVALID. */
export function loadStates(folder: string, stages: readonly StageRecipe[], log: RunLog): StatesByPath {
  if (!stages.some(({ frameHeadWeight }) => frameHeadWeight)) return new Map();
  const { sources, byPath } = readHeartStates(folder);
  log.line(sources.length > 0 ? `heart states of ${byPath.size} recordings: ${sources.join(', ')}` : 'heart states: no states.jsonl in the folder, so the frame head is left out');
  return byPath;
}

/** The stage as it is where these states are all that there is. */
export function withoutHeadIfNone<R extends StageRecipe>(stage: R, states: StatesByPath): R {
  return { ...stage, frameHeadWeight: states.size === 0 ? 0 : (stage.frameHeadWeight ?? 0) };
}
