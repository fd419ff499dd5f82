/** The dashboard's files: the right type, nothing outside their folder, cached only as far as is safe. */
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
};

/** A file that may be served. */
interface Asset {
  file: string;
  type: string;
  bytes: number;
  etag: string;
}

/**
 * Answers with the file below `root` that the request names; `/` is index.html.
 *
 * @param path decoded or not, the request's path without its query.
 * @returns false, with nothing written, when there is no such file.
 */
export async function serveFile(root: string, path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const asset = await findAsset(root, path);
  if (asset === undefined) return false;
  response.setHeader('ETag', asset.etag);
  // Names don't change with the content, so browsers must ask; the answer is mostly 304.
  response.setHeader('Cache-Control', 'no-cache');
  if (matches(request.headers['if-none-match'], asset.etag)) {
    response.writeHead(304).end();
    return true;
  }
  response.writeHead(200, { 'Content-Type': asset.type, 'Content-Length': asset.bytes });
  if (request.method === 'HEAD') response.end();
  // A reader that goes away early is no error of ours.
  else await pipeline(createReadStream(asset.file), response).catch(() => response.destroy());
  return true;
}

async function findAsset(root: string, path: string): Promise<Asset | undefined> {
  const relative = safeRelativePath(path);
  const type = relative === undefined ? undefined : TYPES[extname(relative).toLowerCase()];
  if (relative === undefined || type === undefined) return undefined;
  try {
    const [base, file] = await Promise.all([realpath(root), realpath(join(root, relative))]);
    // A link inside the folder must not lead out of it.
    if (!file.startsWith(base + sep)) return undefined;
    const info = await stat(file);
    if (!info.isFile()) return undefined;
    return { file, type, bytes: info.size, etag: `"${info.size.toString(16)}-${Math.trunc(info.mtimeMs).toString(16)}"` };
  } catch {
    return undefined;
  }
}

/** Segments of plain names only: no `..`, no hidden files, no backslash, no NUL, whatever way they were encoded. */
function safeRelativePath(path: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  if (decoded === '/') return 'index.html';
  return /^(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/.test(decoded) ? decoded.slice(1) : undefined;
}

function matches(header: string | undefined, etag: string): boolean {
  return header !== undefined && header.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === etag);
}
