import type { Acknowledgement } from '#schemas/acknowledgement.ts';
import type { Anchor } from '#store/anchor.ts';
import { planRow } from '#store/rows.ts';
import type { AuthorityLock, RowEffect, Store } from '#store/store.ts';
import { given } from './given.ts';
import type { Journal } from './journal.ts';
import type { Spool } from './spool.ts';

const ROWS_A_STEP = 500;

/**
 * Carries a decided load to its end: applies the accepted rows, compares what the store then holds with
 * what it should, enters the file in the ledger, records it, and lets the anchor know. Every step may be
 * taken again after a crash, and the acknowledgement is the one decided on, however often it was.
 *
 * The anchor comes last: until then it knows the load as under way, so that a crash at any point leaves
 * something that says "resume", and never a store that is ahead of its anchor or behind it.
 *
 * @throws where the store cannot be reached or another loader has the authority; the load stays resumable
 */
export async function applyJournal(
  store: Store,
  anchor: Anchor,
  lock: AuthorityLock,
  spool: Spool,
  journal: Journal,
): Promise<Acknowledgement> {
  const { authority, sequence, sha256, expected, by } = journal;
  // First, so that no row is ever shown without whom to ring.
  if (journal.details !== undefined)
    await store.setAuthority(authority, given(journal.details), by);
  const asDecided = await applyRows(store, lock, spool);

  await lock.renew();
  const tally = (await store.tally()).get(authority);
  const reconciled =
    asDecided &&
    (tally?.rows ?? 0) === expected.rows &&
    (expected.rows === 0 || tally?.digest === expected.digest);
  const acknowledgement = reconciled
    ? journal.acknowledgement
    : withDifference(journal.acknowledgement, expected.rows, tally?.rows ?? 0);

  await store.finishFile(lock, {
    dataAsOf: journal.dataAsOf,
    sequence: journal.highestSequence,
    ...expected,
    reconciled,
    ledger: {
      sequence,
      sha256,
      code: acknowledgement.code,
      acknowledgement: JSON.stringify(acknowledgement),
    },
  });
  await store.appendEvent({
    type: 'load',
    auditId: journal.auditId,
    authority,
    sequence,
    sha256,
    code: acknowledgement.code,
    accepted: acknowledgement.counts.accepted,
    refused: acknowledgement.counts.refused,
    by,
  });
  anchor.commitLoad(authority, { sequence: journal.highestSequence, ...expected });
  return acknowledgement;
}

/** False where the store did something else than was decided. */
async function applyRows(store: Store, lock: AuthorityLock, spool: Spool): Promise<boolean> {
  let asDecided = true;
  for (const batch of spool.accepted(ROWS_A_STEP)) {
    await lock.renew();
    const effects = await store.applyRows(
      lock,
      batch.map(({ row }) => planRow(row)),
    );
    asDecided &&= batch.every(({ effect }, i) => agrees(effect, effects[i]));
  }
  return asDecided;
}

/** A row that was applied before a crash is found unchanged when it is applied again. */
function agrees(decided: RowEffect, done: RowEffect | undefined): boolean {
  return done === decided || (done === 'unchanged' && decided !== 'superseded');
}

function withDifference(
  acknowledgement: Acknowledgement,
  expected: number,
  held: number,
): Acknowledgement {
  return {
    ...acknowledgement,
    warnings: [
      {
        code: acknowledgement.code,
        place: 'file',
        hint: `After this load the store does not hold what it should for this authority (${expected} rows expected, ${held} held). The authority is shown as not up to date. Tell the operator of the service; the file itself is in order.`,
      },
      ...acknowledgement.warnings,
    ],
  };
}
