/** The `stethostream` command: what it can do and how it ends. Each command's code is loaded only when it is called. */
import { Command, CommanderError, Option } from 'commander';
import { DISCLAIMER } from '../common/disclaimer.js';
import { VERSION } from '../common/version.js';
import { wholeFrom } from './argument-checks.js';
import { examplesOf } from './examples.js';
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
  .requiredOption('--data <folder>', 'recordings: a folder with manifest.csv (file,dataset,label,sublabel,subject,site), a public collection as published, or a folder per class')
  .summary('train a model, validate it, write its report (and its package and card)')
  .description(
    'Trains a ResNet-34 on heart sounds. Needs `npm run setup:tensorflow`.\n' +
      'heart: pre-training, cross-validation by subject, final model, calibration, model package with its card.\n' +
      'article: mel spectrograms as pictures, learning-rate finder, one-cycle, error rate; weights and report, no package.\n' +
      'own: one data set’s own labels, whatever they are, cross-validated by subject; figures, floors and report, no package.\n' +
      'A run that was cut off goes on when the same command is given again.',
  )
  .addOption(new Option('--preset <name>', 'recipe').choices(['heart', 'article', 'own']).default('heart'))
  .option('--run <folder>', 'working folder: log, checkpoints, results, report (default: runs/<preset>)')
  .option('--seed <n>', 'seed of everything random (default: 1)')
  .option('--batch-size <n>', 'windows or pictures per step (default: article 4, else 16)')
  .option('--checkpoint-every-steps <n>', 'steps between checkpoints (default: article 50, else 100)')
  .option('--watch [port]', 'show the run live on a page of this machine (default port: 8079; 0 for a free one)')
  .option('--json', 'print the results as JSON at the end')
  .option('--output <folder>', 'heart: folder of the model package (default: models/<name>)')
  .option('--name <name>', 'heart: name of the model (default: heart-resnet34)')
  .option('--model-version <x.y.z>', 'heart: version of the model (default: 0.3.1)')
  .option('--listen-windows <n>', 'heart: windows of self-supervised pre-training first, without labels, 0 = none (default: 40000; see docs/experiments.md)')
  .option('--pretrain-windows <n>', 'heart: windows to pre-train on (default: 64000)')
  .option('--half-windows <part>', 'heart: part of pre-training, from its start, on the first half of each window, at 0.6 of the cost, e.g. 0.75 (default: 0; see docs/experiments.md)')
  .option('--finetune-windows <n>', 'heart: windows to fine-tune on, per fold and at the end (default: 4000)')
  .option('--phase-branch', 'heart: a second opinion from the means of each phase of the beat, where states.jsonl has the heart states (default: there; see docs/experiments.md)')
  .option('--no-phase-branch', 'heart: only the ResNet')
  .option('--pseudo-labels', 'heart: train on unlabelled recordings too, where a first fine-tuning is sure of the label (default: where there are any)')
  .option('--no-pseudo-labels', 'heart: leave unlabelled recordings aside')
  .option('--finetune-runs <n>', 'heart: fine-tunings whose weights are averaged, per fold and at the end (default: 1; see docs/experiments.md)')
  .option('--frame-head <weight>', 'heart, own: a second head learns the heart state of every frame, where states.jsonl has them; weight of its loss, 0 = off (default: heart 0.5, own 0; see docs/experiments.md)')
  .option('--pretrain-datasets <names>', 'heart: data sets to pre-train on, separated by commas (default: physionet2016,pascal-a; those added share as much as the mean of these)')
  .option('--folds <n>', 'heart, own: folds of the cross-validation (default: 4)')
  .option('--dataset <name>', 'article, own: data set to train on (default: the only one; article: pascal-b)')
  .option('--windows <n>', 'own: windows to train on in each fold (default: 24000)')
  .option('--start <file>', 'heart, own: safetensors file whose trunk to start from, e.g. a run’s weights (default: random weights)')
  .option('--binary', 'own: only normal against all other labels')
  .option('--fast-math', 'heart, own: convolutions in bfloat16 where the processor has AMX for them')
  .option('--weights <file>', 'article: safetensors file of a torchvision or timm ResNet-34 to start from (default: random weights)')
  .option('--image-size <pixels>', 'article: side of the pictures (default: 512)')
  .addOption(new Option('--split <kind>', 'article: random leaks subjects, as the article did (default: subject)').choices(['subject', 'random']))
  .option('--validation-share <part>', 'article: part held out (default: 0.3)')
  .option('--epochs <n>', 'article: epochs of the one-cycle (default: 5)')
  .option('--unfreeze-epochs <n>', 'article: further epochs with the body freed and discriminative rates (default: 0)')
  .option('--early-stopping <patience>', 'article: end a phase after so many epochs without a smaller validation loss and keep the best epoch (default: off)')
  .option('--freeze', 'article: convolutions keep their weights during the one-cycle (default: when --weights are given)')
  .option('--no-freeze', 'article: everything learns from the start')
  .option('--learning-rate <rate>', 'article: peak learning rate, or auto for the finder’s suggestion (default: auto)')
  .option('--finder-steps <n>', 'article: steps of the learning-rate finder, 0 for none (default: 100)')
  .option('--weight-decay <x>', 'article: decoupled weight decay (default: 0.01)')
  .option('--dropout <p>', 'article: dropout before the classifier (default: 0.5)')
  .action(async (flags: Record<string, unknown>) => (await import('./commands/train.js')).train(flags));

program
  .command('report')
  .argument('<run>', 'folder of a finished training run')
  .summary('write the report of a training run again')
  .description('Writes report.html and report.json of a finished training run into its folder.')
  .option('--json', 'print the paths as JSON')
  .action(async (run: string, flags: Record<string, unknown>) => (await import('./commands/report.js')).report(run, flags));

const data = program.command('data').summary('recordings for training').description('Looks after recordings for training.');
data
  .command('check')
  .argument('<folder>', 'recordings in any form that `train` takes')
  .summary('find what is wrong with a folder of recordings')
  .description('Finds missing and misnamed files, damage, clipping, duplicates and near-duplicates, leaks between subjects, rare classes and length cues. Exits 1 when something is an error. Changes nothing.')
  .option('--json', 'machine-readable, with every file')
  .action(async (folder: string, flags: Record<string, unknown>) => (await import('./commands/data-check.js')).dataCheck(folder, flags));

program
  .command('evaluate')
  .argument('<folder>', 'recordings: a folder with manifest.csv (file,dataset,label,sublabel,subject,site), a public collection as published, or a folder per class')
  .summary('measure a model on labelled recordings')
  .description('Measures a model package on labelled recordings: accuracy, macro-F1, AUROC, intervals by subject, and the floors that trivial models reach.')
  .option('--model <name|folder>', 'model package', 'heart-resnet34')
  .addOption(new Option('--dataset <name>', 'only this data set; repeatable').argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]))
  .option('--limit <n>', 'at most so many recordings per data set', wholeFrom(1))
  .option('--seed <n>', 'seed of bootstrap and folds (default: 1)', wholeFrom(0))
  .option('--threads <n>', 'threads of the engine (default: all cores)', wholeFrom(1))
  .option('--no-floors', 'leave out the floors')
  .option('--json', 'machine-readable, with every prediction')
  .action(async (folder: string, flags: Record<string, unknown>) => (await import('./commands/evaluate.js')).evaluate(folder, flags));

program
  .command('export')
  .argument('<model>', 'model package (name or folder), run folder of `train`, or its weights.safetensors')
  .summary('write a model in other formats, each one run and compared')
  .description('Writes a model as ONNX (fp32, fp16, int8), TensorFlow.js LayersModel and TensorFlow SavedModel (docs/export.md). Each is loaded, run and compared with the source before it is put in place; the TensorFlow ones only where TensorFlow is set up.')
  .requiredOption('--output <folder>', 'where to write')
  .addOption(new Option('--format <format...>', 'repeatable (default: all)').choices(['onnx-fp32', 'onnx-fp16', 'onnx-int8', 'layers-model', 'saved-model']))
  .option('--calibrate <folder>', 'recordings that fix the scales of a static onnx-int8 (default: onnx-int8 is weight-only)')
  .option('--evaluate <folder>', 'labelled recordings to measure what each format costs in accuracy and probability')
  .option('--dataset <name...>', 'only these data sets of --evaluate')
  .option('--card', 'put what --evaluate finds into the package’s model card')
  .option('--force', 'overwrite')
  .option('--json', 'machine-readable')
  .action(async (model: string, flags: Record<string, unknown>) => (await import('./commands/export.js')).exportCommand(model, flags));

program
  .command('doctor')
  .summary('say what is installed, what is missing and what to do')
  .description('Checks Node, audio, engines, GPU and model, each with a remedy. Exits 1 when something that the default station needs is broken.')
  .option('--json', 'machine-readable')
  .option('--model <name|folder>', 'model package to check', 'heart-resnet34')
  .action(async (flags: Record<string, unknown>) => (await import('./commands/doctor.js')).doctor(flags));

program
  .command('bench')
  .argument('[name]', 'pipeline, features, latency, training, memory, or all but the last two', 'all')
  .summary('measure speed; ratios within one run')
  .description('Measures speed. Only ratios within one run mean anything on a shared machine.')
  .option('--json', 'machine-readable')
  .option('--model <name|folder>', 'model package to run', 'heart-resnet34')
  .option('--seconds <n>', 'length of the memory run', '600')
  .option('--python <path>', 'a Python that has librosa and PyTorch, to compare features and training with', 'python3')
  .action(async (name: string, flags: Record<string, unknown>) => (await import('./commands/bench.js')).bench(name, flags));

const config = program.command('config').summary('configuration').description('Shows the configuration.');
withSettings(config.command('print').summary('show what is in force and from where'))
  .description('Prints every setting, its value and where it came from (default, file, environment, flag).')
  .option('--json', 'machine-readable')
  .action(async (flags: Record<string, unknown>) => (await import('./commands/config-print.js')).configPrint(flags));

for (const command of program.commands) command.addHelpText('after', examplesOf(command.name()));

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
