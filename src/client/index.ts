/** What a subscriber's program imports. */
export { connect } from './connection.js';
export type { ConnectOptions, ConnectionState, StationConnection, Wanted, WebSocketConstructor, WebSocketLike } from './connection.js';
