/** What a report says so that its run can be repeated: command, seed, recipe, machine. */
import { likelyCommand, readEnvironment, type RunEnvironment } from './environment.js';

export interface Again {
  command: string;
  seed: number;
  data: string;
  runFolder: string;
  modelFolder: string | null;
  secondsTrained: number;
  recipe: unknown;
  features: unknown;
  network: unknown;
  environment: RunEnvironment;
}

/** @param identity run.json. @param command of this process, where the run left no note of its own. */
export function againOf(
  folder: string,
  { data, seed, features, network, ...recipe }: Record<string, unknown>,
  command: string,
  known: Pick<Again, 'secondsTrained'> & Partial<Pick<Again, 'modelFolder' | 'recipe' | 'network'>>,
): Again {
  const environment = readEnvironment(folder, command);
  return {
    command: environment.command || command || likelyCommand(folder, { ...recipe, data, seed }),
    seed: Number(seed),
    data: String(data),
    runFolder: folder,
    modelFolder: null,
    recipe: { seed, ...recipe },
    features,
    network,
    environment,
    ...known,
  };
}
