/** The `stethostream` command: what it can do and how it ends. Each command's code is loaded only when it is called. */
import { Command, CommanderError, Option } from 'commander';
import { DISCLAIMER } from '../common/disclaimer.js';
import { VERSION } from '../common/version.js';
import { EXIT, reportError } from './output.js';
import { environmentName, settings } from './settings.js';

const program = new Command('stethostream')
  .description(`Live auscultation classifier: heart sounds in, labels out. ${DISCLAIMER}`)
  .version(VERSION)
  .showHelpAfterError('(add --help for what is possible)')
  .exitOverride();

program.addHelpText(
  'after',
  `
Examples
  stethostream serve                                 a synthesised heart on http://127.0.0.1:8600
  stethostream serve --source mic                    the default microphone
  stethostream serve --source file:a.wav --source synth:murmur
  stethostream classify recordings/*.wav --json      labels of files, through the same code as live
  stethostream doctor                                what is installed, what is missing, what to do

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 an optional part or a model is missing.`,
);

/** Adds one option per setting named in `keys` (all when absent). */
function withSettings(command: Command, keys?: readonly string[]): Command {
  command.option('--config <file>', 'YAML file of settings (default: stethostream.yaml where there is one)');
  for (const s of settings.filter((entry) => !keys || keys.includes(entry.key))) {
    const list = Array.isArray(s.default);
    const option = new Option(s.argument ? `--${s.flag} ${s.argument}` : `--${s.flag}`, `${s.description} [${environmentName(s.key)}]`);
    if (list) option.argParser((value: string, before: unknown) => [...((before as string[] | undefined) ?? []), value]);
    command.addOption(option);
  }
  return command;
}

withSettings(program.command('serve').summary('start a station: sources → labels → dashboard and WebSocket'))
  .description('Starts a station: listens to its sources, labels every window and serves a dashboard and a WebSocket (/v1/stream).')
  .option('--json', 'print the address and model as one JSON line when ready; logs stay on stderr')
  .option('--once', 'stop when every source has ended (finite files)')
  .action(async (flags: Record<string, unknown>) => (await import('./commands/serve.js')).serve(flags));

withSettings(program.command('classify').argument('<file...>', 'WAV, FLAC, MP3 or Ogg files'), ['model', 'engine', 'threads', 'labels.smoothingMs', 'labels.margin', 'labels.unknownBelow', 'capture.channel'])
  .summary('label recordings, through the same code as live')
  .description('Labels recordings: one line per file, or every window with --json.')
  .option('--json', 'print one JSON object per file, with every window')
  .option('--windows', 'print every window for people too')
  .action(async (files: string[], flags: Record<string, unknown>) => (await import('./commands/classify.js')).classify(files, flags));

program
  .command('devices')
  .summary('list audio inputs')
  .description('Lists the audio inputs that `--source mic:NAME` can use.')
  .option('--json', 'machine-readable')
  .action(async (flags: { json?: boolean }) => (await import('./commands/devices.js')).devices(flags));

program
  .command('record')
  .argument('<output.wav>', 'file to write')
  .summary('record a source to WAV')
  .description('Records a source as it arrives to a WAV file that stays readable even if the recording is cut off.')
  .option('--source <spec>', 'what to record: synth[:kind], file:PATH, mic, mic:NAME', 'mic')
  .option('--seconds <n>', 'stop after so many seconds (default: until Ctrl-C)')
  .option('--format <format>', 'int16 or float32', 'int16')
  .option('--force', 'overwrite an existing file')
  .option('--json', 'print the result as JSON')
  .action(async (output: string, flags: Record<string, unknown>) => (await import('./commands/record.js')).record(output, flags));

program
  .command('train')
  .requiredOption('--data <folder>', 'folder with manifest.csv (file,dataset,label,sublabel,subject,site) and the recordings it names')
  .summary('train a model, cross-validate it, write its package and card')
  .description(
    'Trains a ResNet-34 on heart sounds: pre-training, cross-validation by subject, final model, calibration, export.\n' +
      'A run that was cut off goes on when the same command is given again. Needs `npm run setup:tensorflow`.',
  )
  .addOption(new Option('--preset <name>', 'recipe').choices(['heart']).default('heart'))
  .option('--run <folder>', 'working folder: log, checkpoints, results (default: runs/heart)')
  .option('--output <folder>', 'folder of the model package (default: models/<name>)')
  .option('--name <name>', 'name of the model (default: heart-resnet34)')
  .option('--model-version <x.y.z>', 'version of the model (default: 0.1.0)')
  .option('--seed <n>', 'seed of everything random (default: 1)')
  .option('--pretrain-windows <n>', 'windows to pre-train on (default: 40000)')
  .option('--finetune-windows <n>', 'windows to fine-tune on, per fold and at the end (default: 4000)')
  .option('--batch-size <n>', 'windows per step (default: 16)')
  .option('--folds <n>', 'folds of the cross-validation (default: 4)')
  .option('--checkpoint-every-steps <n>', 'steps between checkpoints (default: 100)')
  .option('--json', 'print the results as JSON at the end')
  .action(async (flags: Record<string, unknown>) => (await import('./commands/train.js')).train(flags));

program
  .command('evaluate')
  .argument('<folder>', 'folder with manifest.csv (file,dataset,label,sublabel,subject,site) and the recordings it names')
  .summary('measure a model on labelled recordings')
  .description('Measures a model package on labelled recordings: accuracy, macro-F1, AUROC, intervals by subject, and the floors that trivial models reach.')
  .option('--model <name|folder>', 'model package', 'heart-resnet34')
  .addOption(new Option('--dataset <name>', 'only this data set; repeatable').argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]))
  .option('--limit <n>', 'at most so many recordings per data set')
  .option('--seed <n>', 'seed of bootstrap and folds (default: 1)')
  .option('--threads <n>', 'threads of the engine (default: all cores)')
  .option('--no-floors', 'leave out the floors')
  .option('--json', 'machine-readable, with every prediction')
  .action(async (folder: string, flags: Record<string, unknown>) => (await import('./commands/evaluate.js')).evaluate(folder, flags));

program
  .command('doctor')
  .summary('say what is installed, what is missing and what to do')
  .description('Checks Node, audio, engines, GPU and model, each with a remedy. Exits 1 when something that the default station needs is broken.')
  .option('--json', 'machine-readable')
  .option('--model <name|folder>', 'model package to check', 'heart-resnet34')
  .action(async (flags: Record<string, unknown>) => (await import('./commands/doctor.js')).doctor(flags));

program
  .command('bench')
  .argument('[name]', 'pipeline, features, latency, memory or all', 'all')
  .summary('measure speed; ratios within one run')
  .description('Measures speed. Only ratios within one run mean anything on a shared machine.')
  .option('--json', 'machine-readable')
  .option('--model <name|folder>', 'model package to run', 'heart-resnet34')
  .option('--seconds <n>', 'length of the memory run', '600')
  .option('--python <path>', 'a Python that has librosa, to compare features with', 'python3')
  .action(async (name: string, flags: Record<string, unknown>) => (await import('./commands/bench.js')).bench(name, flags));

const config = program.command('config').summary('configuration').description('Shows the configuration.');
withSettings(config.command('print').summary('show what is in force and from where'))
  .description('Prints every setting, its value and where it came from (default, file, environment, flag).')
  .option('--json', 'machine-readable')
  .action(async (flags: Record<string, unknown>) => (await import('./commands/config-print.js')).configPrint(flags));

// A reader that has seen enough (`| head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  else process.exitCode = reportError(error, process.argv.includes('--json'));
}
