/** Work on several items at once, with the results in the items' order. */

/**
 * Results of `work` for each item, in order; at most `limit` items are begun and not yet yielded. A failure is thrown
 * at its item's turn. Ends early when the consumer does: what was begun runs out unheard.
 */
export async function* inOrder<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>, limit: number): AsyncGenerator<Result, void, undefined> {
  const begun: Promise<Result>[] = [];
  for (let next = 0; next < items.length || begun.length > 0; ) {
    while (next < items.length && begun.length < limit) {
      const result = work(items[next++] as Item);
      // Thrown below, at its turn; until then it must not count as unhandled.
      result.catch(() => undefined);
      begun.push(result);
    }
    yield await (begun.shift() as Promise<Result>);
  }
}
