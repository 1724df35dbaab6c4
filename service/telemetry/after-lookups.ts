import { getPriority, setPriority } from 'node:os';

/** Where both want one processor, the thread then gets a quarter of it: enough to seal 5,000 lookups a second. */
const LESS_URGENT_BY = 5;

/**
 * Lets lookups, Redis and everything else come before the thread that calls this, once and for all. Only on Linux: elsewhere
 * it would be the whole process, and a thread cannot.
 */
export function comeAfterLookups(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(getPriority() + LESS_URGENT_BY);
  } catch {
    // A sandbox that allows no thread to say so: its work is done all the same.
  }
}
