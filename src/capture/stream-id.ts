/** Stream identities derived from names: stable, and within the protocol's alphabet. */

const PATTERN = /^[A-Za-z0-9._-]{1,64}$/;

/** True when `id` may stand in a message: 1–64 of A–Z a–z 0–9 . _ - */
export function isStreamId(id: string): boolean {
  return PATTERN.test(id);
}

/**
 * Turns any name into a stream id: accents dropped, other characters replaced by one `-`, at most 64 characters.
 * The same name always gives the same id; two names may give the same one (the caller makes ids unique).
 */
export function streamIdFrom(name: string, fallback = 'stream'): string {
  const plain = name.normalize('NFKD').replace(/\p{M}/gu, '');
  const id = plain.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 64);
  return id === '' ? fallback : id;
}
