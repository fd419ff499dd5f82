// Builds the project: TypeScript to dist/, the dashboard to dist/web/. Silent when all is well. Outputs whose source
// is gone are removed: a test that still uses one would pass here and fail on a clean checkout.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

function removeOrphans() {
  const dist = join(root, 'dist');
  if (!existsSync(dist)) return;
  for (const entry of readdirSync(dist, { recursive: true })) {
    const module = /^(?!web[\\/])(.+?)\.(?:d\.ts|js|js\.map)$/.exec(entry)?.[1];
    if (module !== undefined && !existsSync(join(root, 'src', `${module}.ts`))) rmSync(join(dist, entry), { force: true });
  }
}

removeOrphans();
try {
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit', cwd: root });
} catch {
  console.error('build: TypeScript reported the errors above; mend them and run `npm run build` again.');
  process.exit(1);
}

if (existsSync(join(root, 'web', 'main.ts'))) {
  mkdirSync(join(root, 'dist', 'web'), { recursive: true });
  await build({
    entryPoints: [join(root, 'web', 'main.ts')],
    outfile: join(root, 'dist', 'web', 'main.js'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    sourcemap: true,
    minify: true,
    logLevel: 'warning',
  });
  cpSync(join(root, 'web', 'public'), join(root, 'dist', 'web'), { recursive: true });
}
