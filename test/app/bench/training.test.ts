/** `bench training` at a small size, without PyTorch: the real trainer in its child process. */
import { describe, expect, it } from 'vitest';
import { benchTraining } from '../../../src/app/bench/training.js';
import { tensorFlowStatus } from '../../../src/training/engine/tensorflow.js';

const options = { threads: 2, shapes: [{ name: 'Small', batch: 2, height: 32, width: 32, channelsLast: false }], rounds: 2, turnSeconds: 0 };

describe.skipIf(!tensorFlowStatus().installed)('bench training (needs `npm run setup:tensorflow`)', () => {
  it.each(['/nonexistent/python', process.execPath])('measures our trainer and gives no ratio where %s has no PyTorch', async (python) => {
    const turns: string[] = [];
    const numbers = await benchTraining(python, (done, total) => turns.push(`${done}/${total}`), options);
    expect(turns).toEqual(['1/2', '2/2']);
    expect(numbers).toMatchObject({ threads: 2, rounds: 2, trainingRatioSmall: null, trainingMemoryRatioSmall: null, torchImagesPerSecondSmall: null, torchPeakMbSmall: null });
    expect(numbers['trainingImagesPerSecondSmall']).toBeGreaterThan(0);
    // A ResNet-34 with its moments and average takes 340 MB.
    expect(numbers['trainingPeakMbSmall']).toBeGreaterThan(340);
  }, 60_000);
});
