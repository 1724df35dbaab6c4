/**
 * Works on one thing after the other, so that whatever is wrong with one delays none of the others: a file that
 * another program has damaged, a folder that is in the way. Rejects with the first fault, once all were tried.
 */
export async function eachAlone<T>(
  things: Iterable<T>,
  work: (thing: T) => Promise<void> | void,
): Promise<void> {
  const faults: unknown[] = [];
  for (const thing of things) {
    try {
      await work(thing);
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw faults[0];
}
