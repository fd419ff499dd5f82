/** The architecture that weights belong to, read from their names and shapes. */
import { phaseBranchOf } from './phase-branch.js';
import type { ResNetSpec } from './resnet34.js';

/**
 * The architecture that weights under torchvision's names belong to, read from names and shapes alone.
 * Works for folded and unfolded ones. Missing tensors are found later, by `requireTensor`.
 * @param input size of the network's input, which a phase branch hangs on.
 */
export function specOf(state: ReadonlyMap<string, { shape: number[] }>, input: { height: number; width: number }): ResNetSpec {
  const shape = (name: string) => state.get(name)?.shape ?? [];
  const countWhile = (name: (index: number) => string) => {
    let count = 0;
    while (state.has(name(count))) count++;
    return count;
  };
  const stages = countWhile((stage) => `layer${stage + 1}.0.conv1.weight`);
  const perStage = <T>(value: (stage: number) => T) => Array.from({ length: stages }, (_, i) => value(i + 1));
  const labels = shape('fc.bias')[0] ?? 0;
  const phase = phaseBranchOf(state, labels, input);
  return {
    inputChannels: shape('conv1.weight')[1] ?? 1,
    stemWidth: shape('conv1.weight')[0] ?? 64,
    blocks: perStage((stage) => countWhile((block) => `layer${stage}.${block}.conv1.weight`)),
    widths: perStage((stage) => shape(`layer${stage}.0.conv1.weight`)[0] ?? 0),
    labels,
    ...(phase ? { phase } : {}),
  };
}
