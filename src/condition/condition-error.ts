/** Errors of the condition stage. */
import { StageError } from '../common/stage-error.js';

export function invalidRate(name: string, hz: number): StageError {
  return new StageError({
    code: 'CONDITION_RATE_INVALID',
    stage: 'condition',
    message: `${name} is ${hz} Hz; allowed: 1 … 10000000 Hz`,
    remedy: 'Check the sampling rate that the source or the model manifest states.',
  });
}

export function rateChanged(streamId: string, was: number, now: number): StageError {
  return new StageError({
    code: 'CONDITION_RATE_CHANGED',
    stage: 'condition',
    message: `the sampling rate changed from ${was} to ${now} Hz within the stream`,
    remedy: 'Keep one rate per stream: name it, as in `mic:NAME?rate=48000`.',
    streamId,
  });
}

export function channelMissing(streamId: string, channel: number, channels: number): StageError {
  return new StageError({
    code: 'CONDITION_CHANNEL_MISSING',
    stage: 'condition',
    message: `channel ${channel} was chosen, but the source has ${channels} (0 … ${channels - 1})`,
    remedy: 'Choose a channel that the source has, or `mix`.',
    streamId,
  });
}

export function invalidChunk(streamId: string, what: string): StageError {
  return new StageError({
    code: 'CONDITION_CHUNK_INVALID',
    stage: 'condition',
    message: what,
    remedy: 'This is a defect of the source; report it with the stream id.',
    streamId,
  });
}

export function invalidOption(name: string, value: unknown, allowed: string): StageError {
  return new StageError({
    code: 'CONDITION_OPTION_INVALID',
    stage: 'condition',
    message: `${name} is ${String(value)}; allowed: ${allowed}`,
    remedy: `Set ${name} to an allowed value.`,
  });
}
