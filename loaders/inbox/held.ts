import { odsCodeSchema } from '#schemas/authority.ts';
import { type Acknowledgement, acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { FILE_CODES } from '#schemas/wording/answers.ts';
import { HELD_FILE_HINTS } from '#schemas/wording/decisions.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';

/**
 * The final answer to a partly held file; `undefined` while it still waits.
 *
 * If no part of a held file was applied and it was discarded, it is no longer in the ledger: it is CPF04,
 * and so is one that another file with the same number has replaced.
 */
export async function finalAnswer(
  store: Store,
  anchor: Anchor,
  provisional: Acknowledgement,
): Promise<Acknowledgement | undefined> {
  const { held, ...rest } = provisional;
  const authority = odsCodeSchema.safeParse(provisional.authority?.code).data;
  if (held === undefined || authority === undefined) return provisional;
  if (anchor.heldFiles().some(({ id }) => id === held.id)) return undefined;
  const { sequenceOffset } = await store.intakeState(authority);
  // With the offset, as it was if numbering has restarted since.
  for (const sequence of new Set([rest.sequence + sequenceOffset, rest.sequence])) {
    const entry = await store.fileOf(authority, sequence);
    if (entry?.sha256 !== rest.file.sha256 || entry.held !== undefined) continue;
    return acknowledgementSchema.parse(JSON.parse(entry.acknowledgement));
  }
  return {
    ...rest,
    code: 'CPF04',
    meaning: FILE_CODES.CPF04,
    counts: { ...rest.counts, accepted: 0, refused: rest.counts.records },
    rows: { ...rest.rows, added: 0, changed: 0, unchanged: 0, superseded: 0 },
    warnings: [
      {
        code: 'CPF04',
        place: 'file',
        field: 'held',
        hint: HELD_FILE_HINTS.gone,
      },
    ],
  };
}
