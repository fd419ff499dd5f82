/** What the composition of a station imports. */
export { createStationServer, type StationServer } from './server.js';
export { DEFAULT_LIMITS, type ServeLimits, type StationHealth, type StationServerOptions } from './options.js';
