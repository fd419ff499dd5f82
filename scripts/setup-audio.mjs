#!/usr/bin/env node
/**
 * Makes microphones work: installs the system packages that naudiodon (PortAudio) is built with and that the capture
 * tests need, builds naudiodon, and shows that it loads. Run it as often as you like; what is there is left alone.
 *
 *   npm run setup:audio              do it
 *   npm run setup:audio -- --check   only say what is missing (exit status 1 when something is)
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const checkOnly = process.argv.includes('--check');

/** Debian and Ubuntu packages, and what for. `test` ones are needed by the capture tests only. */
const PACKAGES = [
  { name: 'libasound2-dev', why: 'ALSA headers, to build PortAudio' },
  { name: 'g++', why: 'compiler' },
  { name: 'make', why: 'build tool' },
  { name: 'python3', why: 'node-gyp' },
  { name: 'libasound2-plugins', why: "lets ALSA programs use PulseAudio's or PipeWire's devices" },
  { name: 'pulseaudio', why: 'virtual microphone of the capture tests', test: true },
  { name: 'pulseaudio-utils', why: 'paplay and pactl for the capture tests', test: true },
];

main();

function main() {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    console.log('Usage: npm run setup:audio [-- --check]\nInstalls what microphones need and builds naudiodon. --check only reports.');
    return;
  }
  const packagesReady = process.platform !== 'linux' || ensurePackages();
  const libraryReady = ensureNaudiodon();
  if (libraryReady) showDevices();
  const ready = packagesReady && libraryReady;
  console.log(ready ? '\nMicrophones are ready: `stethostream devices` lists them.' : '\nNot ready yet: see the lines marked ✗ above.');
  process.exitCode = ready ? 0 : 1;
}

/** True when every package is there in the end. */
function ensurePackages() {
  if (!has('dpkg-query') || !has('apt-get')) {
    note('This is not a Debian or Ubuntu system: install the ALSA development files, a C++ compiler, make and python3 yourself');
    note('(Fedora: alsa-lib-devel gcc-c++ make python3 alsa-plugins-pulseaudio; Arch: alsa-lib base-devel python alsa-plugins).');
    return true;
  }
  const missing = PACKAGES.filter(({ name }) => !isInstalled(name));
  for (const entry of PACKAGES) report(!missing.includes(entry), `${entry.name} (${entry.why})`);
  if (missing.length === 0) return true;
  const names = missing.map(({ name }) => name);
  const command = `apt-get install -y --no-install-recommends ${names.join(' ')}`;
  if (checkOnly) return false;
  if (process.getuid?.() !== 0) {
    note(`Run this, then npm run setup:audio again:\n\n    sudo apt-get update && sudo ${command}\n`);
    return missing.every(({ test }) => test === true);
  }
  note(`Installing ${names.join(', ')} …`);
  run('apt-get', ['update', '-q']);
  run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...names], { DEBIAN_FRONTEND: 'noninteractive' });
  const still = names.filter((name) => !isInstalled(name));
  for (const name of names) report(!still.includes(name), name);
  return still.length === 0;
}

/** True when naudiodon's binding loads in the end. */
function ensureNaudiodon() {
  if (loads()) return report(true, `naudiodon ${installedVersion()} loads`);
  if (checkOnly) return report(false, existsSync(folder()) ? 'naudiodon is installed but does not load' : 'naudiodon is not installed');
  if (!existsSync(folder())) {
    note('Installing naudiodon …');
    run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', `naudiodon@${wantedVersion()}`]);
  }
  note('Building naudiodon (less than a minute) …');
  run('npm', ['rebuild', 'naudiodon', '--foreground-scripts', '--ignore-scripts=false']);
  return report(loads(), loads() ? `naudiodon ${installedVersion()} loads` : 'naudiodon could not be built: the compiler says why, above');
}

function folder() {
  return join(root, 'node_modules', 'naudiodon');
}

function installedVersion() {
  return JSON.parse(readFileSync(join(folder(), 'package.json'), 'utf8')).version;
}

function wantedVersion() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).optionalDependencies.naudiodon;
}

/** Loads the binding in another process: a crash in there is an answer too. */
function loads() {
  return probe('console.log("ok")').includes('ok');
}

function showDevices() {
  const names = probe('for (const d of native.getDevices()) if (d.maxInputChannels > 0) console.log("input: " + d.name)')
    .split('\n')
    .filter((line) => line.startsWith('input: '));
  console.log(names.length === 0 ? '  No audio input is plugged in just now.' : names.map((name) => `  ${name}`).join('\n'));
}

function probe(code) {
  const script = `
    const { createRequire } = require('node:module');
    const manifest = createRequire(${JSON.stringify(join(root, 'package.json'))}).resolve('naudiodon/package.json');
    const native = createRequire(manifest)('bindings')({ bindings: 'naudiodon.node', module_root: require('node:path').dirname(manifest) });
    ${code}`;
  return spawnSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 30_000 }).stdout ?? '';
}

function isInstalled(name) {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f=${Status}', name], { encoding: 'utf8' });
  return stdout?.includes('install ok installed') ?? false;
}

function has(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

function run(program, args, env = {}) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) note(`\`${program} ${args.join(' ')}\` failed${error === undefined ? ` with status ${status}` : `: ${error.message}`}.`);
}

function report(good, text) {
  console.log(`${good ? '✓' : '✗'} ${text}`);
  return good;
}

function note(text) {
  console.log(`  ${text}`);
}
