/** What a form is answered with, once it is. */
type Held<Answer> = { answer: Promise<Answer>; given?: Answer };

/** For a form that a double click sends twice: the browser shows the answer to the second. */
export const HELD_FOR_MS = 5_000;

/**
 * Judges forms. One that comes again in the same moment gets the answer to the first: while that is being judged, and
 * afterwards as long as the answer may be given again. From then on it is judged as any other.
 *
 * @param mayRepeat whether an answer may be given again
 */
export function createTwice<Answer extends object>(mayRepeat: (given: Answer) => boolean) {
  const held = new Map<string, Held<Answer>>();
  return async (form: string, judge: () => Promise<Answer>): Promise<Answer> => {
    const first = held.get(form);
    if (first !== undefined) {
      return first.given === undefined || mayRepeat(first.given) ? first.answer : judge();
    }
    const now: Held<Answer> = { answer: judge() };
    held.set(form, now);
    let forMs = 0;
    try {
      now.given = await now.answer;
      if (mayRepeat(now.given)) forMs = HELD_FOR_MS;
      return now.given;
    } finally {
      setTimeout(() => held.delete(form), forMs).unref();
    }
  };
}
