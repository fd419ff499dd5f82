/** Lets timers, sockets and signals have their turn between two parts of a long computation. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
