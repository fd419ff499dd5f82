/** Errors of this stage: refusals as StageError, and what the operating system says when listening fails. */
import { StageError } from '../common/stage-error.js';

/** Makes a StageError of this stage. */
export function serveError(code: string, message: string, remedy: string, more: { retryable?: boolean; cause?: unknown } = {}): StageError {
  return new StageError({ code, stage: 'serve', message, remedy, ...more });
}

/** Explains why listening on host:port failed. */
export function listenError(cause: unknown, host: string, port: number): StageError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const more = { cause, retryable: false };
  switch (code) {
    case 'EADDRINUSE':
      return serveError(
        'SERVE_PORT_IN_USE',
        `Port ${port} on ${host} is in use by another program.`,
        'Choose another port with --port N (--port 0 takes any free one), or stop the program that holds it.',
        more,
      );
    case 'EACCES':
    case 'EPERM':
      return serveError(
        'SERVE_PORT_FORBIDDEN',
        `This user may not listen on port ${port}; ports below 1024 usually belong to root.`,
        'Choose a port of 1024 or above with --port N.',
        more,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
    case 'EAFNOSUPPORT':
      return serveError(
        'SERVE_HOST_UNAVAILABLE',
        `${host} is no address of this machine (${code}).`,
        'Use --host 127.0.0.1 for this machine only, or --host 0.0.0.0 for all its networks.',
        more,
      );
    default:
      return serveError('SERVE_LISTEN_FAILED', `Listening on ${host} port ${port} failed: ${String(cause)}`, 'See the system error in the message.', more);
  }
}
