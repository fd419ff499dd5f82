/** One example of every message: shown in the AsyncAPI document and used by tests. All validate. */
import { DISCLAIMER } from '../common/disclaimer.js';
import { PROTOCOL_VERSION, type ClientMessage, type ServerMessage } from './messages.js';

const time = '2026-03-14T09:26:53.589Z';
const model = { name: 'resnet34-heart', version: '1.0.0' };

export const serverExamples: { [Type in ServerMessage['type']]: Extract<ServerMessage, { type: Type }> } = {
  hello: {
    type: 'hello',
    server: { name: 'stethostream', version: '0.1.0' },
    protocol: PROTOCOL_VERSION,
    time,
    disclaimer: DISCLAIMER,
    streams: [{ streamId: 'synth', title: 'Synthesised heart', source: 'synth', live: true, state: 'live' }],
    model: {
      ...model,
      labels: ['normal', 'murmur', 'extrasystole', 'artifact'],
      experimentalLabels: ['extrasystole'],
      sampleRateHz: 2000,
      windowMs: 3008,
      hopMs: 512,
      nMels: 64,
      fMinHz: 20,
      fMaxHz: 950,
      frameHopMs: 16,
    },
    engine: { engine: 'onnx', version: '1.30.0', device: 'cpu', threads: 2 },
    labels: ['normal', 'murmur', 'extrasystole', 'artifact', 'unknown'],
  },
  prediction: {
    type: 'prediction',
    streamId: 'synth',
    seq: 41,
    window: {
      startSample: 41984,
      endSample: 48000,
      sampleRateHz: 2000,
      startTime: '2026-03-14T09:26:50.541Z',
      endTime: '2026-03-14T09:26:53.549Z',
    },
    label: 'murmur',
    rawLabel: 'murmur',
    confidence: 0.81,
    probabilities: { normal: 0.11, murmur: 0.84, extrasystole: 0.03, artifact: 0.02 },
    quality: { score: 0.92, reasons: [] },
    latencyMs: 40,
    model,
  },
  status: {
    type: 'status',
    streamId: 'mic',
    state: 'recovering',
    time,
    detail: 'The microphone was unplugged; trying again in 2 s.',
    attempt: 1,
  },
  gap: { type: 'gap', streamId: 'mic', startSample: 96000, lengthSamples: 1024, sampleRateHz: 2000, time, reason: 'overrun' },
  drop: { type: 'drop', kind: 'message', count: 120, total: 480, time, reason: 'This subscriber reads too slowly.' },
  error: {
    type: 'error',
    code: 'SERVE_BAD_MESSAGE',
    stage: 'serve',
    message: '/kinds/0 is "labels", expected one of prediction, status, gap, drop, error, frames',
    remedy: 'Send a `subscribe` message as docs/protocol.md describes.',
    retryable: false,
    time,
  },
  frames: {
    type: 'frames',
    streamId: 'synth',
    startSample: 48000,
    sampleRateHz: 2000,
    nMels: 4,
    columns: 2,
    minDb: -70,
    maxDb: 10,
    melDb: 'AECAwP+AQAA=',
    waveform: { startSample: 48000, samplesPerPair: 16, pairs: [-0.1, 0.2, -0.3, 0.25, -0.05, 0.04, -0.02, 0.02] },
  },
};

export const clientExamples: { [Type in ClientMessage['type']]: Extract<ClientMessage, { type: Type }> } = {
  subscribe: { type: 'subscribe', streams: ['synth'], kinds: ['prediction', 'status', 'frames'] },
};
