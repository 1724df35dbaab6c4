import { afterEach, beforeEach, expect, test } from 'vitest';
import { partitionOf } from '#schemas/nhs-number.ts';
import { FUNCTIONS } from '#store/functions/functions.ts';
import { auditPartitions, keys } from '#store/keys.ts';
import { packRow, Tally } from '#store/rows/rows.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { type StoreVerifier, startStoreVerifier } from '#store/trust/verifier.ts';
import { holdReplies } from '../../support/held-replies.ts';
import { AUTHORITY, testNumber, testRow } from '../../support/rows.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

/** Two workers verify one store. By the time a late reply reaches one of them, the other has changed the store. */

const SYSTEM = auditPartitions.length - 1;
const EARLY = 10;
const LATE = 250;

let t: TestStore;
let late: StoreVerifier | undefined;

beforeEach(async () => {
  t = await startTestStore({ kind: 'demo' });
});
afterEach(async () => {
  await late?.stop();
  await t.stop();
});

const numberIn = (partition: number) => {
  for (let n = 0; ; n++) if (partitionOf(testNumber(n)) === partition) return testNumber(n);
};

/** Starts a second store verifier, whose replies are held back as the test asks. */
async function keepLate(
  holds: Parameters<typeof holdReplies>[1],
  sealedNumbers: () => readonly number[] = () => [],
) {
  let holding = true;
  const said: string[] = [];
  const replies = holdReplies(
    await t.connect('worker'),
    (command, args) => holding && holds(command, args),
  );
  const verifier = startStoreVerifier(replies.redis, t.anchor, {
    resume: () => Promise.reject(new Error('nothing to resume is expected here')),
    sealed: () => ({ id: 'log', size: 0, numbers: sealedNumbers() }),
  });
  verifier.onChange(({ problem, detail }) => void (problem && said.push(detail)));
  late = verifier;
  await until(() => replies.held.length > 0, 'the reply to be kept back');
  return {
    said,
    async release(): Promise<void> {
      holding = false;
      while (replies.held.length > 0) replies.held[0]?.release();
      await verifier.look();
    },
    verifier,
  };
}

const event = () => ({
  type: 'purge' as const,
  auditId: '00000000-0000-4000-8000-000000000001',
  by: 'test',
  detail: {},
});

test('events that are recorded, known and sealed while a worker waits do not look missing to it', async () => {
  let sealed: number[] = [];
  const keeping = await keepLate(
    (command, [name]) => command === 'fcall' && name === FUNCTIONS.auditNumbers,
    () => sealed,
  );
  for (let i = 0; i < 3; i++) await t.store.appendEvent(event());
  await until(() => (t.anchor.auditNumbers()[SYSTEM] ?? 0) > 3, 'the other worker to know of them');
  const known = t.anchor.auditNumbers();
  sealed = known;
  await keeping.release();
  await until(() => keeping.verifier.state.opened, 'the store to be open to it');
  expect(keeping.said).toEqual([]);
  expect(t.anchor.auditNumbers()[SYSTEM]).toBeGreaterThanOrEqual(known[SYSTEM] ?? 0);
  expect(await t.store.isOpen()).toBe(true);
});

test('a worker’s late update does not undo what another recorded', () => {
  const other = Anchor.open(`${t.dataDir}/anchor`);
  other.rememberAuditNumbers([5, 9]);
  t.anchor.rememberAuditNumbers([7, 8]);
  expect(other.auditNumbers().slice(0, 2)).toEqual([7, 9]);
  other.close();
});

test('an authority first loaded while a worker waits does not look missing to it', async () => {
  const keeping = await keepLate((command, [key]) => command === 'hgetall' && key === keys.dataset);
  await t.store.setAuthority(
    AUTHORITY,
    { name: 'Test Council', emergencyDutyTeamPhone: '02079460199' },
    'test',
  );
  const state = { sequence: 1, rows: 0, digest: new Tally().digest };
  const load = { authority: AUTHORITY, journal: '/nowhere', sha256: '0', ...state };
  await t.anchor.beginLoad(load, undefined);
  await t.anchor.commitLoad(load, state);
  await keeping.release();
  expect(keeping.said).toEqual([]);
  expect(await t.store.isOpen()).toBe(true);
});

test('a file loaded by another process while a worker verifies does not close the store', async () => {
  await t.store.setAuthority(
    AUTHORITY,
    { name: 'Test Council', emergencyDutyTeamPhone: '02079460199' },
    'test',
  );
  const lock = await t.store.lockAuthority(AUTHORITY);
  if (lock === undefined) throw new Error('the authority is locked');
  const rows = [testRow(numberIn(EARLY)), testRow(numberIn(LATE))];
  const tally = new Tally();
  for (const row of rows) tally.add(row.nhsNumber, packRow(row));
  const expected = { sequence: 1, rows: tally.rows, digest: tally.digest };

  await t.admin.set(keys.open, 'another run');
  const keeping = await keepLate(
    (command, [name, key]) =>
      command === 'call' && name === 'HGETALL' && key === keys.children(LATE - 50),
  );
  const load = { authority: AUTHORITY, journal: '/nowhere', sha256: '0', ...expected };
  await t.anchor.beginLoad(load, undefined);
  await t.store.applyRows(lock, rows);
  await t.anchor.commitLoad(load, expected);
  await t.store.finishFile(lock, {
    ...expected,
    reconciled: true,
    ledger: { sequence: 1, sha256: '0', code: 'CPF02', acknowledgement: '{}' },
  });
  await keeping.release();
  await until(() => keeping.verifier.state.opened, 'the store to be open');
  expect(keeping.said).toEqual([]);
});
