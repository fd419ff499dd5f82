/**
 * A private PulseAudio server with a virtual microphone, for tests of real capture: a null sink is played into with
 * paplay and recorded from through ALSA's pulse plug-in. Nothing of the user's own sound set-up is touched.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Why the virtual microphone cannot run here, or undefined when it can. Use it in the title of skipped tests. */
export function pulseMissing(): string | undefined {
  if (process.platform !== 'linux') return 'PulseAudio tests run on Linux';
  for (const program of ['pulseaudio', 'pactl', 'paplay']) {
    if (spawnSync('which', [program]).status !== 0) return `${program} is not installed (npm run setup:audio)`;
  }
  const plugin = ['/usr/lib', '/usr/lib64'].some(hasPulsePlugin);
  return plugin ? undefined : 'libasound2-plugins is not installed (npm run setup:audio)';
}

function hasPulsePlugin(lib: string): boolean {
  if (!existsSync(lib)) return false;
  const folders = [lib, ...readdirSync(lib, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => join(lib, e.name))];
  return folders.some((folder) => existsSync(join(folder, 'alsa-lib', 'libasound_module_pcm_pulse.so')));
}

/** A running server. */
export interface VirtualMicrophone {
  /** Environment for processes that shall hear this microphone (add it to process.env of the child). */
  readonly env: NodeJS.ProcessEnv;
  /** Plays a WAV file into the microphone; resolves when it has been played. */
  play(wavPath: string): Promise<void>;
  /** Runs pactl on this server and returns what it prints. */
  pactl(...args: string[]): string;
  /** Removes the null sink (and with it the microphone), as if it were unplugged. */
  unplug(): void;
  /** Puts it back. */
  plug(): void;
  /** Stops the server and removes its files. */
  close(): Promise<void>;
}

/** Starts the server; `rateHz` is the rate of the null sink. */
export async function startVirtualMicrophone(rateHz = 44_100): Promise<VirtualMicrophone> {
  const folder = mkdtempSync(join(tmpdir(), 'stethostream-pulse-'));
  const socket = join(folder, 'native');
  const asound = join(folder, 'asound.conf');
  // Only this file, not the system's: no real card is opened, and PortAudio sees one device.
  writeFileSync(asound, 'pcm.!default { type pulse }\nctl.!default { type pulse }\npcm.chest { type pulse device "chest.monitor" hint { show on description "Chest" } }\n');
  const env: NodeJS.ProcessEnv = {
    HOME: folder,
    XDG_RUNTIME_DIR: folder,
    XDG_CONFIG_HOME: folder,
    PULSE_RUNTIME_PATH: folder,
    PULSE_SERVER: `unix:${socket}`,
    ALSA_CONFIG_PATH: asound,
  };
  const sink = [`sink_name=chest`, `rate=${rateHz}`, 'channels=1', 'channel_map=mono'];
  const server = spawn(
    'pulseaudio',
    ['-n', '--daemonize=no', '--exit-idle-time=-1', '--disallow-exit=no', '--use-pid-file=no', '--disable-shm=yes', '--realtime=no', '--high-priority=no',
      '-L', `module-native-protocol-unix socket=${socket} auth-anonymous=1`, '-L', `module-null-sink ${sink.join(' ')}`],
    { env: { ...process.env, ...env, PULSE_SERVER: '' }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let complaints = '';
  server.stderr.on('data', (text: Buffer) => (complaints += text.toString()));
  const pactl = (...args: string[]): string => spawnSync('pactl', args, { env: { ...process.env, ...env }, encoding: 'utf8', timeout: 5000 }).stdout;
  await untilReady(server, () => pactl('list', 'short', 'sources').includes('chest.monitor'), () => complaints);
  return {
    env,
    pactl,
    play: (path) => run('paplay', ['--device=chest', path], { ...process.env, ...env }),
    unplug: () => void pactl('unload-module', 'module-null-sink'),
    plug: () => void pactl('load-module', 'module-null-sink', ...sink),
    close: async () => {
      await ended(server);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilReady(server: ChildProcess, ready: () => boolean, complaints: () => string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (server.exitCode !== null) throw new Error(`pulseaudio ended: ${complaints()}`);
    if (ready()) return;
    await sleep(100);
  }
  server.kill('SIGKILL');
  throw new Error(`pulseaudio did not become ready: ${complaints()}`);
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  server.kill('SIGTERM');
  const forced = setTimeout(() => server.kill('SIGKILL'), 2000);
  await gone;
  clearTimeout(forced);
}

function run(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let complaints = '';
    child.stderr.on('data', (text: Buffer) => (complaints += text.toString()));
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}: ${complaints}`))));
  });
}
