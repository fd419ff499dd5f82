/**
 * Every message of `stethostream.v1`, defined once: the TypeBox schema gives the TypeScript type, the validator
 * (validate.ts) and the AsyncAPI document (asyncapi.ts). Times are UTC, ISO 8601 with milliseconds; durations are ms;
 * sample indices count at the `sampleRateHz` beside them.
 */
import { Type, type Static, type TSchema } from '@sinclair/typebox';

export const SUBPROTOCOL = 'stethostream.v1';
export const STREAM_PATH = '/v1/stream';
export const PROTOCOL_VERSION = '1.0';

const StreamId = Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$', description: 'Stable identity of the stream.' });
const Utc = Type.String({
  format: 'date-time',
  pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d\\.\\d{3}Z$',
  description: 'UTC, ISO 8601 with milliseconds.',
});
const Count = (description: string) => Type.Integer({ minimum: 0, description });
const Probability = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });
const closed = { additionalProperties: false };

export const StreamState = Type.Union(
  [
    Type.Literal('starting'),
    Type.Literal('live'),
    Type.Literal('stalled'),
    Type.Literal('recovering'),
    Type.Literal('failed'),
    Type.Literal('ended'),
  ],
  { description: 'A source that fails restarts with back-off (recovering) before it is failed.' },
);

export const StreamDescription = Type.Object(
  {
    streamId: StreamId,
    title: Type.String({ description: 'Human-readable name.' }),
    source: Type.String({ description: 'Source specification, e.g. `synth` or `mic:NAME`.' }),
    live: Type.Boolean({ description: 'True when samples arrive in real time.' }),
    state: StreamState,
  },
  { ...closed, $id: 'StreamDescription' },
);

export const ModelDescription = Type.Object(
  {
    name: Type.String(),
    version: Type.String(),
    labels: Type.Array(Type.String(), { description: 'Classes of `probabilities`, in order.' }),
    experimentalLabels: Type.Array(Type.String(), { description: 'Labels the model card marks as experimental.' }),
    sampleRateHz: Type.Number(),
    windowMs: Type.Number({ description: 'Length of one window in ms.' }),
    hopMs: Type.Number({ description: 'Distance between windows in ms.' }),
    nMels: Type.Integer(),
    fMinHz: Type.Number(),
    fMaxHz: Type.Number(),
    frameHopMs: Type.Number({ description: 'Distance between spectrogram columns in ms.' }),
  },
  { ...closed, $id: 'ModelDescription' },
);

export const EngineDescription = Type.Object(
  {
    engine: Type.String(),
    version: Type.String(),
    device: Type.String({ description: 'The device that really ran the golden check at boot.' }),
    threads: Type.Integer(),
  },
  { ...closed, $id: 'EngineDescription' },
);

export const Hello = Type.Object(
  {
    type: Type.Literal('hello'),
    server: Type.Object({ name: Type.String(), version: Type.String() }, closed),
    protocol: Type.String({ description: 'Protocol version, major.minor.' }),
    time: Utc,
    disclaimer: Type.String(),
    streams: Type.Array(StreamDescription),
    model: ModelDescription,
    engine: EngineDescription,
    labels: Type.Array(Type.String(), { description: 'Labels a prediction may carry: the model labels and `unknown`.' }),
  },
  { ...closed, $id: 'Hello', description: 'First message of every connection.' },
);

export const QualityReason = Type.Union(
  [
    Type.Literal('silence'),
    Type.Literal('low-level'),
    Type.Literal('clipping'),
    Type.Literal('non-finite'),
    Type.Literal('noise'),
    Type.Literal('no-rhythm'),
    Type.Literal('short'),
    Type.Literal('low-confidence'),
  ],
  { description: 'Why the quality score is low or the label `unknown`.' },
);

export const Prediction = Type.Object(
  {
    type: Type.Literal('prediction'),
    streamId: StreamId,
    seq: Count('Number of the window in its stream.'),
    window: Type.Object(
      {
        startSample: Count('First sample the window depends on.'),
        endSample: Count('One past the last sample.'),
        sampleRateHz: Type.Number({ description: 'Rate at which the two indices count.' }),
        startTime: Utc,
        endTime: Utc,
      },
      closed,
    ),
    label: Type.String({ description: 'Smoothed label with hysteresis, or `unknown`.' }),
    rawLabel: Type.String({ description: "This window's own most probable label." }),
    confidence: Probability('Smoothed probability of `label`; of the most probable label when `unknown`.'),
    probabilities: Type.Record(Type.String(), Type.Number({ minimum: 0, maximum: 1 }), {
      description: "This window's calibrated probabilities by label, unsmoothed.",
    }),
    quality: Type.Object(
      { score: Probability('1 = good.'), reasons: Type.Array(QualityReason) },
      closed,
    ),
    latencyMs: Type.Number({ description: "From the capture of the window's last sample to publication." }),
    model: Type.Object({ name: Type.String(), version: Type.String() }, closed),
  },
  { ...closed, $id: 'Prediction', description: 'Result of one window.' },
);

export const Status = Type.Object(
  {
    type: Type.Literal('status'),
    streamId: StreamId,
    state: StreamState,
    time: Utc,
    detail: Type.String({ description: 'What happened and, where it helps, what to do.' }),
    attempt: Count('Restart attempts since the stream was last live.'),
  },
  { ...closed, $id: 'Status', description: 'A stream changed its state.' },
);

export const Gap = Type.Object(
  {
    type: Type.Literal('gap'),
    streamId: StreamId,
    startSample: Count('First missing sample.'),
    lengthSamples: Count('Missing samples.'),
    sampleRateHz: Type.Number(),
    time: Utc,
    reason: Type.String(),
  },
  { ...closed, $id: 'Gap', description: 'Samples were lost; no window spans a gap.' },
);

export const Drop = Type.Object(
  {
    type: Type.Literal('drop'),
    streamId: Type.Optional(StreamId),
    kind: Type.Union([Type.Literal('window'), Type.Literal('message')], {
      description: '`window`: never inferred since the engine lags. `message`: not sent since this subscriber reads too slowly.',
    }),
    count: Count('How many were dropped since the last drop message of this kind.'),
    total: Count('How many in all: of the stream (window) or of this connection (message).'),
    time: Utc,
    reason: Type.String(),
  },
  { ...closed, $id: 'Drop', description: 'Something was dropped and counted.' },
);

export const ErrorMessage = Type.Object(
  {
    type: Type.Literal('error'),
    code: Type.String({ description: 'Stable code, see docs/errors.md.' }),
    stage: Type.String(),
    streamId: Type.Optional(StreamId),
    message: Type.String(),
    remedy: Type.String(),
    retryable: Type.Boolean(),
    time: Utc,
  },
  { ...closed, $id: 'Error', description: 'A stage or this connection met an error; the station goes on.' },
);

export const Frames = Type.Object(
  {
    type: Type.Literal('frames'),
    streamId: StreamId,
    startSample: Count('Sample on which the first column is centred.'),
    sampleRateHz: Type.Number(),
    nMels: Type.Integer({ minimum: 1 }),
    columns: Type.Integer({ minimum: 1 }),
    minDb: Type.Number({ description: 'Decibels of byte 0.' }),
    maxDb: Type.Number({ description: 'Decibels of byte 255.' }),
    melDb: Type.String({
      contentEncoding: 'base64',
      description: 'columns × nMels bytes, column-major (all bands of the first column first), linear from minDb to maxDb.',
    }),
    waveform: Type.Object(
      {
        startSample: Count('First sample of the first pair.'),
        samplesPerPair: Type.Integer({ minimum: 1 }),
        pairs: Type.Array(Type.Number(), { description: 'min, max, min, max … of consecutive groups of samples, ±1.' }),
      },
      closed,
    ),
  },
  { ...closed, $id: 'Frames', description: 'Display data: spectrogram columns and waveform envelope. Sent only to those who subscribe to it.' },
);

/** Message kinds the server sends after `hello`, by their `type`. */
export const serverMessageSchemas = {
  hello: Hello,
  prediction: Prediction,
  status: Status,
  gap: Gap,
  drop: Drop,
  error: ErrorMessage,
  frames: Frames,
} as const satisfies Record<string, TSchema>;

const SubscribableKind = Type.Union(
  [
    Type.Literal('prediction'),
    Type.Literal('status'),
    Type.Literal('gap'),
    Type.Literal('drop'),
    Type.Literal('error'),
    Type.Literal('frames'),
  ],
  { description: 'Kinds a client may choose. `hello` always comes.' },
);

export const Subscribe = Type.Object(
  {
    type: Type.Literal('subscribe'),
    streams: Type.Optional(Type.Array(StreamId, { maxItems: 64, description: 'Streams wanted; absent = all, now and later.' })),
    kinds: Type.Optional(
      Type.Array(SubscribableKind, { maxItems: 6, description: 'Kinds wanted; absent = all but `frames`.' }),
    ),
  },
  { ...closed, $id: 'Subscribe', description: 'Replaces what this connection receives. Before the first one: all streams, all kinds but `frames`.' },
);

export const clientMessageSchemas = { subscribe: Subscribe } as const satisfies Record<string, TSchema>;

export type StreamState = Static<typeof StreamState>;
export type StreamDescription = Static<typeof StreamDescription>;
export type ModelDescription = Static<typeof ModelDescription>;
export type EngineDescription = Static<typeof EngineDescription>;
export type Hello = Static<typeof Hello>;
export type QualityReason = Static<typeof QualityReason>;
export type Prediction = Static<typeof Prediction>;
export type Status = Static<typeof Status>;
export type Gap = Static<typeof Gap>;
export type Drop = Static<typeof Drop>;
export type ErrorMessage = Static<typeof ErrorMessage>;
export type Frames = Static<typeof Frames>;
export type SubscribableKind = Static<typeof SubscribableKind>;
export type Subscribe = Static<typeof Subscribe>;

export type ServerMessage = Hello | Prediction | Status | Gap | Drop | ErrorMessage | Frames;
export type ClientMessage = Subscribe;
/** What a station publishes; the server adds `hello` and per-connection `drop` and `error` messages. */
export type StationMessage = Exclude<ServerMessage, Hello>;
