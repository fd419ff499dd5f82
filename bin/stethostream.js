#!/usr/bin/env node
// Entry of the `stethostream` command: runs the built program, or says how to build it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/app/main.js', import.meta.url);
if (!existsSync(fileURLToPath(main))) {
  console.error('stethostream is not built yet: run `npm run build` in its folder.');
  process.exit(70);
}
await import(main.href);
