/** What `INFO` says, by name. */
export function information(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
    }),
  );
}

/** A reply that should be a list, as one of unknowns; anything else as an empty list. */
export function list(reply: unknown): unknown[] {
  return Array.isArray(reply) ? (reply as unknown[]) : [];
}

/** A whole number written in digits and nothing else. */
export const wholeNumber = (text: string | undefined): number | undefined =>
  text === undefined || !/^[0-9]+$/.test(text) ? undefined : Number(text);
