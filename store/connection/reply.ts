/** A reply that should be a list, as one of unknowns; anything else as an empty list. */
export function list(reply: unknown): unknown[] {
  return Array.isArray(reply) ? (reply as unknown[]) : [];
}
