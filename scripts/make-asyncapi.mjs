// Writes docs/asyncapi.json from the message schemas. Run after a change of src/protocol: `npm run build && node scripts/make-asyncapi.mjs`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asyncApiDocument } from '../dist/protocol/asyncapi.js';

const file = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs', 'asyncapi.json');
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, `${JSON.stringify(asyncApiDocument(), null, 2)}\n`);
console.log(file);
