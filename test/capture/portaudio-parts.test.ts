/** The parts of PortAudio capture that need no audio device: names, wire format, clock. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CaptureClock, SLIP_PROOF_MS } from '../../src/capture/portaudio/capture-clock.js';
import { chooseDevice, nameDevices, type RawDevice } from '../../src/capture/portaudio/devices.js';
import { encodePcm, encodeReply, FrameParser, type PcmFrame, type Reply } from '../../src/capture/portaudio/wire.js';

const raw = (id: number, name: string, maxInputChannels = 2, hostAPIName = 'ALSA'): RawDevice => ({ id, name, maxInputChannels, defaultSampleRate: 44_100, hostAPIName });
const inputs = (...names: string[]) => nameDevices(names.map((name, id) => raw(id, name)), 0);

describe('nameDevices', () => {
  it('keeps inputs only and marks the default', () => {
    const devices = nameDevices([raw(0, 'Speakers', 0), raw(1, 'Mic'), raw(2, 'Line')], 2);
    expect(devices.map(({ id, name, isDefault }) => [id, name, isDefault])).toEqual([[1, 'Mic', false], [2, 'Line', true]]);
  });

  it("leaves ALSA's changing card numbers out", () => {
    expect(inputs('USB Audio Device: - (hw:2,0)', 'HDA Intel: ALC257 Analog (hw:0,0)').map((d) => d.name)).toEqual(['USB Audio Device', 'HDA Intel: ALC257 Analog']);
  });

  it('tells equal names apart by driver, then by number', () => {
    const devices = nameDevices([raw(0, 'Mic', 1, 'MME'), raw(1, 'Mic', 1, 'WASAPI'), raw(2, 'Mic', 1, 'WASAPI')], -1);
    expect(devices.map((d) => d.name)).toEqual(['Mic [MME]', 'Mic [WASAPI]', 'Mic [WASAPI] #2']);
  });

  it('gives every device a name of its own, which finds it again', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ name: fc.constantFrom('Mic', 'mic', 'USB (hw:1,0)', 'USB (hw:2,0)', 'x'), api: fc.constantFrom('A', 'B') }), { maxLength: 8 }), (list) => {
        const devices = nameDevices(list.map(({ name, api }, id) => raw(id, name, 1, api)), 0);
        expect(new Set(devices.map((d) => d.name)).size).toBe(list.length);
        for (const device of devices) expect(chooseDevice(devices, device.name)).toBe(device);
      }),
    );
  });
});

describe('chooseDevice', () => {
  const devices = inputs('USB Mic', 'USB Mic 2', 'Stethoscope Pro');

  it('takes the exact name, else the only one that contains it, else the default', () => {
    expect(chooseDevice(devices, 'USB Mic').name).toBe('USB Mic');
    expect(chooseDevice(devices, 'usb mic').name).toBe('USB Mic');
    expect(chooseDevice(devices, 'stetho').name).toBe('Stethoscope Pro');
    expect(chooseDevice(devices, undefined).isDefault).toBe(true);
  });

  it('says which devices there are when none or several fit', () => {
    expect(() => chooseDevice(devices, 'zoom')).toThrow(expect.objectContaining({ code: 'CAPTURE_DEVICE_NOT_FOUND', retryable: true, message: expect.stringMatching(/"zoom".*"USB Mic" \(default\), "USB Mic 2", "Stethoscope Pro"/) }));
    expect(() => chooseDevice(devices, 'usb')).toThrow(expect.objectContaining({ code: 'CAPTURE_DEVICE_AMBIGUOUS', retryable: false, message: expect.stringContaining('"USB Mic 2"') }));
    expect(() => chooseDevice([], undefined)).toThrow(expect.objectContaining({ code: 'CAPTURE_DEVICE_NOT_FOUND' }));
  });
});

describe('FrameParser', () => {
  const reply: Reply = { kind: 'error', code: 'CAPTURE_X', message: 'ä', remedy: '', retryable: true };
  const frames = [encodeReply(reply), encodePcm(Buffer.from([1, 2, 3, 4]), 12.5, 7, true), encodePcm(Buffer.alloc(0), 13, 0, false), encodeReply(reply)];
  const stream = Buffer.concat(frames);

  it('finds the frames again however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (sizes) => {
        const parser = new FrameParser();
        const out: Array<PcmFrame | Reply> = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const piece = stream.subarray(at, at + sizes[i % sizes.length]!);
          at += piece.length;
          for (const frame of parser.push(piece)) out.push(frame.kind === 'pcm' ? { ...frame, payload: Buffer.from(frame.payload) } : frame);
        }
        expect(out).toEqual([
          reply,
          { kind: 'pcm', payload: Buffer.from([1, 2, 3, 4]), readAtMs: 12.5, lostFrames: 7, overrun: true },
          { kind: 'pcm', payload: Buffer.alloc(0), readAtMs: 13, lostFrames: 0, overrun: false },
          reply,
        ]);
      }),
    );
  });

  it('refuses bytes that are no frames instead of waiting for gigabytes', () => {
    expect(() => [...new FrameParser().push(Buffer.alloc(64, 0xff))]).toThrow(/4294967295 bytes/);
    expect(() => [...new FrameParser().push(Buffer.alloc(64))]).toThrow(/kind 0/);
  });
});

describe('CaptureClock', () => {
  const rate = 1000;
  /** Chunks of 10 samples at the given arrival times. */
  const run = (arrivals: number[], clock = new CaptureClock(rate, 0)) => arrivals.map((at) => clock.place(10, at));
  const steady = (n: number, fromMs = 0) => Array.from({ length: n }, (_, i) => fromMs + 10 * (i + 1));

  it('counts samples and stamps the end of each chunk by its arrival', () => {
    expect(run(steady(3, 500), new CaptureClock(rate, 1_000_000))).toEqual([
      { lostBefore: 0, startSample: 0, capturedAtMs: 1_000_510 },
      { lostBefore: 0, startSample: 10, capturedAtMs: 1_000_520 },
      { lostBefore: 0, startSample: 20, capturedAtMs: 1_000_530 },
    ]);
  });

  it('is not led astray by late arrivals', () => {
    const placed = run([10, 20, 38, 49, 50, 60, 77]);
    expect(placed.map((p) => p.capturedAtMs)).toEqual([10, 20, 30, 40, 50, 60, 70]);
  });

  it('takes a burst after a pause for late, not lost', () => {
    const arrivals = [...steady(100), ...Array.from({ length: 90 }, () => 1900), ...steady(100, 1900)];
    expect(run(arrivals).every((p) => p.lostBefore === 0)).toBe(true);
  });

  it('inserts samples that are missing for longer than a second', () => {
    const placed = run([...steady(100), ...steady(200, 1500)]);
    const [slip, ...others] = placed.filter((p) => p.lostBefore > 0);
    expect(others).toEqual([]);
    expect(slip!.lostBefore).toBe(500);
    expect(slip!.capturedAtMs - 1500).toBeGreaterThanOrEqual(SLIP_PROOF_MS);
    const last = placed.at(-1)!;
    expect(last.startSample + 10).toBe(3500);
    expect(last.capturedAtMs).toBe(3500);
  });

  it('inserts what is known to be lost at once', () => {
    const clock = new CaptureClock(rate, 0);
    run(steady(10), clock);
    expect(clock.place(10, 140, 30)).toEqual({ lostBefore: 30, startSample: 130, capturedAtMs: 140 });
  });

  it('finds smaller losses after a reported overrun', () => {
    const clock = new CaptureClock(rate, 0);
    run(steady(100), clock);
    const placed = [clock.place(10, 1060, 10, true), ...run(steady(150, 1060), clock)];
    expect(placed.reduce((sum, p) => sum + p.lostBefore, 0)).toBe(50);
    expect(placed.at(-1)!.capturedAtMs).toBe(2560);
  });

  it('follows a device whose clock is off by 200 ppm, without calling it loss', () => {
    const arrivals = Array.from({ length: 60_000 }, (_, i) => 10 * (i + 1) * 1.0002 + (i % 7 === 0 ? 0 : 3));
    const placed = run(arrivals);
    expect(placed.every((p) => p.lostBefore === 0)).toBe(true);
    expect(Math.abs(placed.at(-1)!.capturedAtMs - arrivals.at(-1)!)).toBeLessThan(10);
  });
});
