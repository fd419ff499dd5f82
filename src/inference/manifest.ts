/** manifest.json of a model package: the contract between training and everything that runs the model. */
import { Type, type Static } from '@sinclair/typebox';

const closed = { additionalProperties: false };
const Positive = (description: string) => Type.Number({ exclusiveMinimum: 0, description });
const PositiveInt = (description: string) => Type.Integer({ minimum: 1, description });

const Mel = Type.Object(
  {
    sampleRateHz: Positive('Sampling rate in Hz.'),
    nFft: PositiveInt('FFT length in samples, a power of two.'),
    winLength: PositiveInt('Analysis window in samples, ≤ nFft.'),
    hopLength: PositiveInt('Samples between frames.'),
    window: Type.Literal('hann'),
    center: Type.Boolean(),
    padMode: Type.Union([Type.Literal('constant'), Type.Literal('reflect')]),
    power: Positive('Exponent of the magnitude, 2 = power.'),
    nMels: PositiveInt('Mel bands.'),
    fMinHz: Type.Number({ minimum: 0 }),
    fMaxHz: Positive('≤ sampleRateHz / 2.'),
    htk: Type.Boolean(),
    norm: Type.Union([Type.Literal('slaney'), Type.Null()]),
  },
  closed,
);

const Features = Type.Object(
  {
    mel: Mel,
    db: Type.Object(
      {
        amin: Positive('Smallest power.'),
        ref: Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Literal('max')]),
        topDb: Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Null()]),
      },
      closed,
    ),
    normalisation: Type.Union([
      Type.Literal('windowRms-bandMean-windowStd'),
      Type.Literal('windowMeanStd'),
      Type.Literal('none'),
    ]),
    windowFrames: PositiveInt('Frames in one window.'),
    windowHopFrames: PositiveInt('Frames between windows.'),
    dcBlockHz: Type.Number({ minimum: 0, description: 'DC-blocking corner in Hz, 0 = off.' }),
  },
  closed,
);

const FileEntry = Type.Object(
  { path: Type.String(), sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }), bytes: Type.Integer({ minimum: 0 }) },
  closed,
);

const Interval = Type.Object({ value: Type.Number(), low: Type.Number(), high: Type.Number() }, closed);

export const Manifest = Type.Object(
  {
    schema: Type.Literal('stethostream-model/1'),
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' }),
    version: Type.String({ pattern: '^\\d+\\.\\d+\\.\\d+$' }),
    description: Type.String(),
    architecture: Type.String({ description: 'e.g. resnet34-1ch, or resnet34-1ch+phases where it has a phase branch. For people: weights tell their own architecture.' }),
    labels: Type.Array(Type.String(), { minItems: 2, description: 'Output order.' }),
    experimentalLabels: Type.Array(Type.String()),
    features: Features,
    input: Type.Object(
      { name: Type.String(), layout: Type.Literal('NCHW'), channels: Type.Literal(1) },
      closed,
    ),
    output: Type.Object(
      {
        name: Type.String(),
        kind: Type.Literal('logits'),
        temperature: Positive('Calibration: probabilities = softmax(logits / temperature).'),
      },
      closed,
    ),
    thresholds: Type.Object(
      {
        unknownBelow: Type.Number({ minimum: 0, maximum: 1, description: 'Smoothed confidence below which the label is `unknown`.' }),
        murmur: Type.Optional(Type.Number({ minimum: 0, maximum: 1, description: 'P(murmur | murmur or normal) at or above which a clip counts as one with a murmur. Absent: the same as abnormal.' })),
        abnormal: Type.Number({ minimum: 0, maximum: 1, description: 'P(murmur or extrasystole | heart sound) at or above which a clip counts as abnormal.' }),
      },
      closed,
    ),
    files: Type.Object({ onnx: FileEntry, golden: FileEntry, card: FileEntry }, closed),
    training: Type.Object(
      {
        command: Type.String({ description: 'The command that made it.' }),
        seed: Type.Integer(),
        createdAt: Type.String(),
        datasets: Type.Array(
          Type.Object({ name: Type.String(), recordings: Type.Integer(), terms: Type.String(), role: Type.String() }, closed),
        ),
      },
      closed,
    ),
    metrics: Type.Record(Type.String(), Interval, {
      description: 'e.g. "pascal-b.cv.macroF1"; intervals are 95 % bootstraps by subject.',
    }),
    licence: Type.String(),
    disclaimer: Type.String(),
  },
  { ...closed, $id: 'Manifest' },
);

export type Manifest = Static<typeof Manifest>;
/** Form of golden.json: one window in, probabilities out, both as plain numbers. */
export const Golden = Type.Object(
  {
    input: Type.Array(Type.Number(), { description: 'nMels × windowFrames, row-major.' }),
    probabilities: Type.Array(Type.Number()),
    tolerance: Positive('Largest absolute difference in probability that passes.'),
  },
  closed,
);
export type Golden = Static<typeof Golden>;
