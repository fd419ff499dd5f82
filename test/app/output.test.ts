/** What commands say when they fail: code and remedy for people, JSON for programs, and the exit code. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EXIT, exitCodeOf, percent, reportError, table } from '../../src/app/output.js';
import { StageError, type Stage } from '../../src/common/stage-error.js';

const error = (code: string, more: object = {}) => new StageError({ code, stage: code.split('_')[0]!.toLowerCase() as Stage, message: 'it broke', remedy: 'Mend it.', ...more });

describe('exit codes', () => {
  it.each([
    ['APP_CONFIG_INVALID', EXIT.usage],
    ['APP_CONFIG_NOT_FOUND', EXIT.usage],
    ['APP_USAGE', EXIT.usage],
    ['CAPTURE_UNKNOWN_SOURCE', EXIT.usage],
    ['CAPTURE_SOURCE_SPEC_INVALID', EXIT.usage],
    ['TRAINING_OPTION_INVALID', EXIT.usage],
    ['SERVE_OPEN_REFUSED', EXIT.usage],
    ['CAPTURE_PORTAUDIO_MISSING', EXIT.missing],
    ['TRAINING_TENSORFLOW_MISSING', EXIT.missing],
    ['INFERENCE_MODEL_NOT_FOUND', EXIT.missing],
    ['INFERENCE_FILE_MISSING', EXIT.missing],
    ['INFERENCE_ENGINE_UNAVAILABLE', EXIT.missing],
    ['APP_NOT_BUILT', EXIT.missing],
    // What is missing here is the user's data, no part of the program.
    ['TRAINING_MANIFEST_MISSING', EXIT.failed],
    ['TRAINING_CLASS_MISSING', EXIT.failed],
    ['CONDITION_CHANNEL_MISSING', EXIT.failed],
    ['CAPTURE_FILE_NOT_FOUND', EXIT.failed],
    ['SERVE_PORT_IN_USE', EXIT.failed],
    ['INFERENCE_HASH_MISMATCH', EXIT.failed],
    ['APP_INTERNAL', EXIT.failed],
  ])('%s → %i', (code, exit) => expect(exitCodeOf(error(code))).toBe(exit));
});

describe('reportError', () => {
  let printed = '';
  const capture = () => {
    printed = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
  };
  afterEach(() => vi.restoreAllMocks());

  it('prints message, code and remedy', () => {
    capture();
    expect(reportError(error('CAPTURE_FILE_EMPTY'))).toBe(1);
    expect(printed).toBe('stethostream: it broke [CAPTURE_FILE_EMPTY]\n  → Mend it.\n');
  });

  it('prints one line of JSON for programs', () => {
    capture();
    expect(reportError(error('CAPTURE_DEVICE_LOST', { streamId: 'mic', retryable: true }), true)).toBe(1);
    expect(printed.endsWith('}\n')).toBe(true);
    expect(JSON.parse(printed)).toEqual({ error: { code: 'CAPTURE_DEVICE_LOST', stage: 'capture', message: 'it broke', remedy: 'Mend it.', streamId: 'mic', retryable: true } });
  });

  it('takes anything else for a defect, with its stack', () => {
    capture();
    expect(reportError(new TypeError('x is not a function'))).toBe(1);
    expect(printed).toMatch(/^stethostream: x is not a function \[APP_INTERNAL\]\n {2}→ This is a defect: please report .*\nTypeError: x is not a function\n {4}at /);
  });
});

describe('table and percent', () => {
  it('lines up all columns but the last', () => {
    expect(table([['a', 'bb', 'c'], ['aaa', 'b', 'cc']])).toBe('a    bb  c\naaa  b   cc');
    expect(table([])).toBe('');
  });

  it('rounds to whole percents', () => expect([0, 0.004, 0.996, 1].map(percent)).toEqual(['0 %', '0 %', '100 %', '100 %']));
});
