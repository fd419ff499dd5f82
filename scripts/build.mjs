// Builds the project: TypeScript to dist/, the dashboard to dist/web/. Silent when all is well.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

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
