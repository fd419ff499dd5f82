/** Names of audio inputs, and which one is meant by a name. Pure functions; the child process does the asking. */
import { captureError } from '../capture-error.js';

/** An audio input. */
export interface Device {
  /** Name that stays the same over reboots and replugging, unique in the list. */
  name: string;
  /** True for the system's default input. */
  isDefault: boolean;
  maxChannels: number;
  defaultSampleRateHz: number;
  /** `ALSA`, `Core Audio`, `Windows WASAPI`… */
  hostApi: string;
  /** PortAudio's index: valid only until devices change. */
  id: number;
}

/** The part of PortAudio's device record that is used here. */
export interface RawDevice {
  id: number;
  name: string;
  maxInputChannels: number;
  defaultSampleRate: number;
  hostAPIName: string;
}

/** Keeps inputs and gives them stable, unique names. `defaultId` is PortAudio's default input, or −1. */
export function nameDevices(raw: readonly RawDevice[], defaultId: number): Device[] {
  const inputs = raw.filter((device) => device.maxInputChannels > 0);
  const plain = inputs.map((device) => stableName(device.name));
  const withApi = inputs.map((device, i) => (count(plain, plain[i]!) > 1 ? `${plain[i]!} [${device.hostAPIName}]` : plain[i]!));
  return inputs.map((device, i) => {
    const twins = withApi.slice(0, i).filter((name) => name === withApi[i]).length;
    return {
      name: twins === 0 ? withApi[i]! : `${withApi[i]!} #${twins + 1}`,
      isDefault: device.id === defaultId,
      maxChannels: device.maxInputChannels,
      defaultSampleRateHz: device.defaultSampleRate,
      hostApi: device.hostAPIName,
      id: device.id,
    };
  });
}

/** ALSA appends the card's current number, as in `USB Audio: - (hw:2,0)`, which changes with the order of plugging in. */
function stableName(name: string): string {
  return name.replace(/\s*-?\s*\(hw:\d+,\d+\)\s*$/, '').replace(/\s*:\s*$/, '').trim() || name;
}

function count(names: readonly string[], name: string): number {
  return names.filter((other) => other === name).length;
}

/**
 * The device meant by `wanted`: its exact name, else the only one that contains it (ignoring case); the default input
 * when nothing is wanted.
 * @throws StageError CAPTURE_DEVICE_NOT_FOUND (retryable: it may be plugged in later), CAPTURE_DEVICE_AMBIGUOUS.
 */
export function chooseDevice(devices: readonly Device[], wanted: string | undefined): Device {
  if (wanted === undefined) return defaultDevice(devices);
  const exact = devices.find((device) => device.name === wanted);
  if (exact !== undefined) return exact;
  const part = wanted.toLowerCase();
  const matches = devices.filter((device) => device.name.toLowerCase().includes(part));
  if (matches.length === 1) return matches[0]!;
  // "usb mic" is exact for "USB Mic" even beside "USB Mic 2".
  const sameButCase = matches.filter((device) => device.name.toLowerCase() === part);
  if (sameButCase.length === 1) return sameButCase[0]!;
  if (matches.length > 1) throw ambiguous(wanted, matches);
  throw notFound(`no audio input is called "${wanted}"; there are: ${list(devices)}`);
}

function defaultDevice(devices: readonly Device[]): Device {
  const device = devices.find((candidate) => candidate.isDefault) ?? devices[0];
  if (device === undefined) throw notFound('this machine has no audio input');
  return device;
}

function notFound(message: string) {
  return captureError('CAPTURE_DEVICE_NOT_FOUND', {
    message,
    remedy: 'Plug it in, or choose one that `stethostream devices` lists.',
    retryable: true,
  });
}

function ambiguous(wanted: string, matches: readonly Device[]) {
  return captureError('CAPTURE_DEVICE_AMBIGUOUS', {
    message: `"${wanted}" fits ${matches.length} audio inputs: ${list(matches)}`,
    remedy: 'Write the whole name of one of them.',
  });
}

function list(devices: readonly Device[]): string {
  return devices.length === 0 ? 'none' : devices.map((device) => `"${device.name}"${device.isDefault ? ' (default)' : ''}`).join(', ');
}
