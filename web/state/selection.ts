/** Which stream was asked for: in the address (`#stream=ID`), else remembered from the last visit. */

const KEY = 'stethostream.stream';

/** Stream named in a URL hash; undefined when there is none. */
export function streamOfHash(hash: string): string | undefined {
  const named = new URLSearchParams(hash.replace(/^#/, '')).get('stream');
  return named === null || named === '' ? undefined : named;
}

/** Hash that names a stream. */
export function hashOfStream(streamId: string): string {
  return `#${new URLSearchParams({ stream: streamId }).toString()}`;
}

/** The remembered stream; storage may be switched off in the browser, which costs only the memory. */
export function rememberedStream(): string | undefined {
  try {
    return localStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

export function rememberStream(streamId: string): void {
  try {
    localStorage.setItem(KEY, streamId);
  } catch {
    // Nothing to do: the address still holds it.
  }
}
