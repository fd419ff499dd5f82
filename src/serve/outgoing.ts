/** Messages on their way out: checked and serialised once, whoever receives them. */
import type { ServerMessage } from '../protocol/messages.js';
import { checkServerMessage, type Violation } from '../protocol/validate.js';

export interface OutgoingMessage {
  readonly kind: ServerMessage['type'];
  /** Absent for what concerns the connection or the station rather than one stream. */
  readonly streamId: string | undefined;
  /** JSON in UTF-8. Shared by all connections: never written to. */
  readonly data: Buffer;
}

/** Serialises a message, or says why it breaks the protocol (a NaN would silently become null, for one). */
export function encode(message: ServerMessage): { ok: true; message: OutgoingMessage } | { ok: false; violation: Violation } {
  const checked = checkServerMessage(message);
  if (!checked.ok) return checked;
  const streamId = message.type === 'hello' ? undefined : message.streamId;
  return { ok: true, message: { kind: message.type, streamId, data: Buffer.from(JSON.stringify(message)) } };
}
