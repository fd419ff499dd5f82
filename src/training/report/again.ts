/** What a report says so that its run can be repeated: command, seed, recipe, machine. */
import { likelyCommand, readEnvironment, type RunEnvironment } from './environment.js';

/** What a repeated run gives. */
export const REPEATED = 'Another run of the same command gives the same weights to the bit on the same kind of processor with as many threads; elsewhere sums are made in another order, and it comes close.';

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
