/** `stethostream doctor`: what is installed, what is missing, what to do. */
import { listDevices } from '../../capture/portaudio/list-devices.js';
import { builtModule } from '../../common/paths.js';
import { StageError, toStageError } from '../../common/stage-error.js';
import { VERSION } from '../../common/version.js';
import { loadModelPackage, defaultModelFolder } from '../../inference/model-package.js';
import { InferenceService } from '../../inference/service.js';
import { tensorFlowStatus } from '../../training/engine/tensorflow.js';
import { EXIT, table } from '../output.js';

interface Finding {
  what: string;
  /** `ok`; `missing`: optional and not there; `broken`: the default station needs it. */
  state: 'ok' | 'missing' | 'broken';
  detail: string;
  remedy: string;
}

export async function doctor(flags: Record<string, unknown>): Promise<void> {
  const findings = [node(), await audio(), ...(await engines(String(flags['model']))), tensorFlow()];
  if (flags['json'] === true) process.stdout.write(`${JSON.stringify({ version: VERSION, findings }, null, 2)}\n`);
  else {
    const mark = { ok: 'ok     ', missing: 'missing', broken: 'BROKEN ' };
    process.stdout.write(`StethoStream ${VERSION}\n${table(findings.map((f) => [mark[f.state], f.what, f.remedy ? `${f.detail}\n           → ${f.remedy}` : f.detail]))}\n`);
  }
  if (findings.some((finding) => finding.state === 'broken')) process.exitCode = EXIT.failed;
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return {
    what: 'Node',
    state: ok ? 'ok' : 'broken',
    detail: `${process.versions.node} on ${process.platform}-${process.arch}`,
    remedy: ok ? '' : 'Install Node 20.19 or newer.',
  };
}

async function audio(): Promise<Finding> {
  try {
    const devices = await listDevices();
    const names = devices.map((device) => (device.isDefault ? `${device.name} (default)` : device.name)).join(', ');
    const none = devices.length === 0;
    return {
      what: 'audio input',
      state: none ? 'missing' : 'ok',
      detail: none ? 'PortAudio works, but there is no input' : names,
      remedy: none ? 'Plug in a microphone or check the sound server; files and the synthesiser need none.' : '',
    };
  } catch (thrown) {
    const error = toStageError(thrown, { code: 'CAPTURE_SOURCE_FAILED', stage: 'capture' });
    return { what: 'audio input', state: 'missing', detail: error.message, remedy: error.remedy };
  }
}

/** The model, then every engine: each is made to reproduce the model's golden output. */
async function engines(name: string): Promise<Finding[]> {
  let model;
  try {
    model = await loadModelPackage(await defaultModelFolder(name));
  } catch (thrown) {
    const error = toStageError(thrown, { code: 'INFERENCE_MODEL_NOT_FOUND', stage: 'inference' });
    return [{ what: 'model', state: 'broken', detail: error.message, remedy: error.remedy }];
  }
  const { manifest, folder } = model;
  const found: Finding = { what: 'model', state: 'ok', detail: `${manifest.name} ${manifest.version} in ${folder}, hashes right`, remedy: '' };
  const tried: Finding[] = [];
  for (const engine of ['onnx', 'cuda', 'webgpu', 'tensorflow'] as const) {
    const what = `engine ${engine}`;
    try {
      const service = await InferenceService.start({ model, engine, tensorFlowLoader: builtModule('training/engine/tensorflow') });
      const { device, version, threads } = service.info;
      const detail = `${version} on ${device}${threads > 0 ? `, ${threads} threads` : ''}; golden output within ${service.goldenDifference.toExponential(1)}`;
      await service.close();
      tried.push({ what, state: 'ok', detail, remedy: '' });
    } catch (thrown) {
      const error: StageError = toStageError(thrown, { code: 'INFERENCE_ENGINE_UNAVAILABLE', stage: 'inference' });
      tried.push({ what, state: engine === 'onnx' ? 'broken' : 'missing', detail: error.message.split('\n')[0]!, remedy: error.remedy });
    }
  }
  return [found, ...tried];
}

function tensorFlow(): Finding {
  const { installed, folder, binding, version, build, gpu } = tensorFlowStatus();
  const device = build === 'gpu' ? `, for CUDA, ${gpu ? 'with' : 'without'} a GPU when it was set up,` : '';
  return {
    what: 'TensorFlow',
    state: installed ? 'ok' : 'missing',
    detail: installed ? `TensorFlow ${version ?? 'of unknown version'} through tfjs-node ${binding}${device} in ${folder}` : `not set up in ${folder}; only \`train\` needs it`,
    remedy: installed ? '' : 'npm run setup:tensorflow',
  };
}
