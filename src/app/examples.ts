/** Examples under each command's --help: what one types first. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  serve: [
    'stethostream serve                                                a synthesised heart on http://127.0.0.1:8600',
    'stethostream serve --source "mic:USB stethoscope" --source synth:murmur',
    'stethostream serve --source "synth:murmur?bpm=90&grade=3&timing=mid-systolic"',
    'stethostream serve --source "file:heart.flac?loop=1" --port 0     any free port',
    'stethostream serve --host 0.0.0.0 --token "$(openssl rand -hex 16)"',
  ],
  classify: [
    'stethostream classify recordings/*.wav                            a line per file',
    'stethostream classify heart.flac --windows                        and a line per window',
    'stethostream classify recordings/* --json | jq -r "[.file, .label] | @tsv"',
  ],
  devices: ['stethostream devices --json'],
  record: [
    'stethostream record heart.wav --seconds 30                        the default microphone',
    'stethostream record heart.wav --source "mic:USB stethoscope" --format float32',
    'stethostream record murmur.wav --source synth:murmur --seconds 10',
  ],
  train: [
    'stethostream data check recordings/                               look before you train',
    'stethostream train --data recordings/ --run runs/first',
    'stethostream train --data pascal/ --preset article --image-size 128',
    'stethostream train --data recordings/ --preset own --dataset yaseen --windows 12000',
  ],
  evaluate: [
    'stethostream evaluate recordings/ --no-floors',
    'stethostream evaluate recordings/ --dataset pascal-b --limit 50 --json',
  ],
  report: ['stethostream report runs/heart'],
  doctor: ['stethostream doctor --json'],
  bench: ['stethostream bench pipeline --json', 'stethostream bench features --python python3'],
  config: ['stethostream config print --port 9000                             each value and where it came from'],
};

/** Text for the end of the help of the command `name`; empty where it has no examples. */
export function examplesOf(name: string): string {
  const lines = EXAMPLES[name] ?? [];
  return lines.length === 0 ? '' : `\nExamples\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
