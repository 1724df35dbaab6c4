/** What is on record about one protection of a child's whereabouts: the id that all its acts share, and what was done. */
export type ProtectionAct = { restriction: string; authority: string; act: 'set' | 'ended' };

/**
 * The councils that protect a child's whereabouts by the recorded acts, the oldest protection first, as the store orders
 * their rows. A protection is as old as its first record: nobody sets one again, so if it is on record again, it was cut
 * short, or the store lost its end and it has kept its place there.
 *
 * @param acts the oldest record first
 */
export function councilsProtecting(acts: readonly ProtectionAct[]): string[] {
  // A map keeps the place of a key that is set again.
  const newest = new Map(acts.map((each) => [each.restriction, each]));
  const inForce = [...newest.values()].filter(({ act }) => act === 'set');
  return [...new Set(inForce.map(({ authority }) => authority))];
}
