/** Machine words of the protocol in plain English. */
import type { QualityReason, StreamState } from '../../src/protocol/messages.js';

const reasonTexts: Record<QualityReason, string> = {
  silence: 'no signal',
  'low-level': 'signal too quiet',
  clipping: 'signal too loud (clipped)',
  'non-finite': 'broken samples',
  noise: 'sounds like noise',
  'no-rhythm': 'no heart rhythm heard',
  short: 'too little sound yet',
  'low-confidence': 'model is not sure',
};

/** A reason that a newer station may add is shown as it is. */
export function reasonText(reason: string): string {
  return reasonTexts[reason as QualityReason] ?? reason.replaceAll('-', ' ');
}

const stateTexts: Record<StreamState, string> = {
  starting: 'Starting',
  live: 'Live',
  stalled: 'Stalled',
  recovering: 'Recovering',
  failed: 'Failed',
  ended: 'Ended',
};

export function stateText(state: StreamState): string {
  return stateTexts[state];
}

/** What a label says of the sound, in a few words. */
export function labelText(label: string): string {
  const known: Record<string, string> = {
    normal: 'First and second heart sound, nothing added',
    murmur: 'Sound of turbulent flow between the beats',
    extrasystole: 'A beat out of turn',
    artifact: 'Not a heart sound: noise, speech or handling',
    unknown: 'No label given',
  };
  return known[label] ?? '';
}
