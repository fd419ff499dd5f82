/** What can go wrong in the set-up: a message and what to do about it, without a stack. */
export class SetupProblem extends Error {
  /** @param {string} message @param {string} remedy @param {unknown} [cause] */
  constructor(message, remedy, cause) {
    super(message, { cause });
    this.remedy = remedy;
  }
}
