/** What the system says of files and disks, as errors with a remedy: a full disk is no defect of the program. */
import { StageError } from '../common/stage-error.js';

const FULL = 'Free some space and give the same command again.';
const RIGHTS = 'Check that the path exists and may be read and written, or name another one.';

const REMEDIES = new Map([
  ['ENOSPC', FULL],
  ['EDQUOT', FULL],
  ['EROFS', RIGHTS],
  ['EACCES', RIGHTS],
  ['EPERM', RIGHTS],
  ['ENOTDIR', RIGHTS],
  ['EISDIR', RIGHTS],
  ['ENAMETOOLONG', RIGHTS],
  ['EIO', 'The disk reports damage: look at the system’s log, and use another one.'],
  ['EMFILE', 'Close other programs, or raise the limit of open files (ulimit -n).'],
]);

/** APP_FILE_ACCESS where the system refused a file; anything else as it was thrown. */
export function namedFileError(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof StageError) return thrown;
  const { code, syscall, message } = thrown as NodeJS.ErrnoException;
  const remedy = code === undefined || syscall === undefined ? undefined : REMEDIES.get(code);
  return remedy === undefined ? thrown : new StageError({ code: 'APP_FILE_ACCESS', stage: 'app', message, remedy, cause: thrown });
}
