import type { Page } from '../html/frame.ts';

/** Somebody is let in: into which session, where it takes them, and the cookies by which their browser has it. */
export type LetIn = { session: string; to: string; cookies: readonly string[] };

/** What a form is answered with, and the session that it made. */
type Held = { answer: Promise<LetIn | Page>; session?: string };

/** For a form that a double click sends twice: the browser shows the answer to the second. */
const HELD_FOR_MS = 5_000;

/**
 * Judges forms by which somebody is let in. One that comes again in the same moment gets the answer to the first, and
 * makes no session of its own, as long as no browser has come with that session: the first answer may have been lost.
 * From then on it is judged as any other.
 *
 * @param isUnused whether no browser has come with a session yet
 */
export function createRepeats(isUnused: (session: string) => boolean) {
  const held = new Map<string, Held>();
  return async (form: string, judge: () => Promise<LetIn | Page>): Promise<LetIn | Page> => {
    const first = held.get(form);
    if (first !== undefined) {
      return first.session === undefined || isUnused(first.session) ? first.answer : judge();
    }
    const now: Held = { answer: judge() };
    held.set(form, now);
    let forMs = 0;
    try {
      const answer = await now.answer;
      if ('session' in answer) {
        now.session = answer.session;
        forMs = HELD_FOR_MS;
      }
      return answer;
    } finally {
      setTimeout(() => held.delete(form), forMs).unref();
    }
  };
}
