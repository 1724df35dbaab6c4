/**
 * Works on one thing after another, so that a fault in one (a file damaged by another program, a folder in
 * the way) delays none of the others. Rejects with the first fault, once all were tried.
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
