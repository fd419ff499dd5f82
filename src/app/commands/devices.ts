/** `stethostream devices`: the audio inputs that `--source mic:NAME` can use. */
import { listDevices } from '../../capture/portaudio/list-devices.js';
import { table } from '../output.js';

export async function devices(flags: { json?: boolean }): Promise<void> {
  const found = await listDevices();
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
    return;
  }
  if (found.length === 0) {
    process.stdout.write('No audio input found. Plug one in, or check the sound server (PulseAudio, PipeWire, ALSA).\n');
    return;
  }
  const rows = found.map((d) => [d.isDefault ? '*' : ' ', d.name, `${d.maxChannels} ch`, `${d.defaultSampleRateHz} Hz`, d.hostApi]);
  process.stdout.write(`${table([['', 'NAME', 'CHANNELS', 'RATE', 'API'], ...rows])}\n\n* default. Listen to one: stethostream serve --source "mic:NAME"\n`);
}
