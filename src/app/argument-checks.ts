/** Checks of numbers on the command line, for commander: it names option and argument, and the exit code is that of usage. */
import { InvalidArgumentError } from 'commander';

/** Takes whole numbers of at least `least`. */
export function wholeFrom(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
  };
}
