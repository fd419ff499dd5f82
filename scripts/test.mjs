// `npm test`: gets what the tests need (system packages, naudiodon, TensorFlow), lints, runs every suite, and closes
// with one plain line of counts. `npm test -- --no-setup` installs nothing; other arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);
const setup = !args.includes('--no-setup');
const vitestArgs = args.filter((arg) => arg !== '--no-setup');

// Debian package → a file that it brings, and what is not tested without it.
const packages = [
  ['pulseaudio', '/usr/bin/pulseaudio', 'the virtual microphone'],
  ['pulseaudio-utils', '/usr/bin/paplay', 'the virtual microphone'],
  ['libasound2-plugins', '/usr/share/alsa/alsa.conf.d/50-pulseaudio.conf', 'the virtual microphone'],
  ['libasound2-dev', '/usr/include/alsa/asoundlib.h', 'live capture (naudiodon is compiled against it)'],
  ['chromium', '/usr/bin/chromium', 'the dashboard in a real browser'],
  ['sox', '/usr/bin/sox', 'decoding and recording beside sox'],
  ['g++', '/usr/bin/g++', 'the native parts (they are compiled)'],
  ['make', '/usr/bin/make', 'the native parts (they are compiled)'],
];

function run(command, commandArgs, options = {}) {
  return spawnSync(command, commandArgs, { cwd: root, stdio: 'inherit', ...options }).status === 0;
}

function systemPackages() {
  const missing = packages.filter(([, file]) => !existsSync(file));
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name).join(' ');
  const root0 = process.getuid?.() === 0;
  if (setup && root0 && existsSync('/usr/bin/apt-get')) {
    console.log(`npm test: installing ${names}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const apt = (...aptArgs) => run('apt-get', ['-qq', ...aptArgs], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    if (apt('update') && apt('install', '-y', '--no-install-recommends', ...names.split(' '))) return;
  }
  console.log(`npm test: these system packages are missing: ${names}`);
  for (const [name, , what] of missing) console.log(`  without ${name}, not tested: ${what}`);
  console.log(`  → sudo apt-get install -y ${names}`);
}

function optionalParts() {
  const naudiodon = join(root, 'node_modules', 'naudiodon', 'build', 'Release', 'naudiodon.node');
  if (!existsSync(naudiodon) && !run(process.execPath, ['scripts/setup-audio.mjs'])) {
    console.log('npm test: naudiodon could not be built (see above); live capture is not tested');
  }
  if (!run(process.execPath, ['scripts/setup-tensorflow.mjs'])) {
    console.log('npm test: TensorFlow could not be set up (see above); training is not tested');
  }
}

function closingLine(report) {
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped = 0 } = JSON.parse(readFileSync(report, 'utf8'));
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}

systemPackages();
if (setup) optionalParts();
const linted = run(process.execPath, [join(root, 'node_modules/eslint/bin/eslint.js'), '.'])
  && run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'])
  && run(process.execPath, [join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'), 'src', '--config', '.dependency-cruiser.cjs', '--output-type', 'err']);
if (!linted) {
  console.error('npm test: lint, types or import rules failed (see above)');
  process.exit(1);
}
const report = join(mkdtempSync(join(tmpdir(), 'stethostream-test-')), 'report.json');
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const passed = run(process.execPath, [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...vitestArgs]);
if (existsSync(report)) closingLine(report);
process.exit(passed ? 0 : 1);
