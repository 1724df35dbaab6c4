import { mkdtempSync } from 'node:fs';
import { mkdir, readdir, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { Reconciliation } from '#schemas/uploads/reconciliation.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { createComparisons } from '#service/uploads/comparisons.ts';
import { createPreviews, type Preview } from '#service/uploads/previews.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

/** Uploads from a page in several processes, and in ones that end. */

let t: TestStore;
const authority: OdsCode = odsCodeSchema.parse('ZZ101');
const owner = { authority, userKey: 'a'.repeat(43) };
const answered: string[] = [];
const folder = mkdtempSync(join(tmpdir(), 'cpf-previews-'));
let ahead = 0;

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  await t.store.setAuthority(
    authority,
    { name: 'Northmoor Council', emergencyDutyTeamPhone: '02079460119' },
    'test',
  );
});
afterAll(() => t.stop());

/** One of the processes on a data folder. */
const process = () =>
  createPreviews({
    folder,
    store: t.store,
    anchor: t.anchor,
    loads: {
      spoolDir: join(folder, 'spool'),
      noticesDir: folder,
      maxBytes: 1_000_000,
      echoTo: [],
    },
    metrics: { uploaded: (code) => void answered.push(code) },
    log: createLog('silent'),
    now: () => Date.now() + ahead,
    lockWaitMs: 20,
  });
type Process = ReturnType<typeof process>;

async function* bytes(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

/** Has a file shown; its id. */
async function shown(at: Process, sequence: number): Promise<string> {
  const text = fileXml(
    upload({ authority, sequence, createdAt: '202611232130+0000', records: [planOf(sequence)] }),
  );
  const received = await at.receive(owner, bytes(text));
  if (received.kind !== 'received') throw new Error(received.kind);
  const { id, sizeBytes } = received;
  await at.check(id, { ...owner, name: 'a.xml', sizeBytes, typed: {}, metadata: {} }, 'test');
  await until(async () => (await at.find(id, owner))?.state.kind === 'shown');
  return id;
}

const stateOf = async (at: Process, id: string): Promise<Preview> =>
  (await at.find(id, owner)) as Preview;
const ended = (at: Process, id: string) =>
  until(async () => !['shown', 'sending'].includes((await stateOf(at, id)).state.kind));

test('of several processes that are told to send a file, one does', async () => {
  const [one, other] = [process(), process()];
  const id = await shown(one, 1);
  const preview = await stateOf(other, id);
  await Promise.all([one.send(id, preview, 'test'), other.send(id, preview, 'test')]);
  await ended(one, id);
  expect((await stateOf(other, id)).state).toMatchObject({
    kind: 'answered',
    acknowledgement: { code: 'CPF02' },
  });
  expect(answered).toEqual(['CPF02']);
  expect(await one.discard(id)).toBe(false);
  await Promise.all([one.stop(), other.stop()]);
});

test('a file waits on where another of its council is being loaded, and can be sent again', async () => {
  const at = process();
  const id = await shown(at, 2);
  const lock = await t.store.lockAuthority(authority);
  await at.send(id, await stateOf(at, id), 'test');
  await until(async () => {
    const { state } = await stateOf(at, id);
    return state.kind === 'shown' && state.busy === true;
  });
  await lock?.release();
  await at.send(id, await stateOf(at, id), 'test');
  await ended(at, id);
  expect((await stateOf(at, id)).state.kind).toBe('answered');
  await at.stop();
});

test('a preview whose process ended is recognised as that, and not taken for one under way', async () => {
  const at = process();
  const id = await shown(at, 3);
  const preview = await stateOf(at, id);
  const state = { kind: 'sending', beganAt: 0, share: 0.5, records: 1, doing: 'loading' } as const;
  expect(at.isInterrupted({ ...preview, state })).toBe(false);
  ahead = 31_000;
  expect(at.isInterrupted({ ...preview, state })).toBe(true);
  // One that waits for its sender waits for no process.
  expect(at.isInterrupted(preview)).toBe(false);
  ahead = 0;
  await at.discard(id);
  await at.stop();
});

test('at the start what nobody waits for is removed, also where a process ended while it came', async () => {
  const at = process();
  const id = await shown(at, 4);
  const half = '00000000-0000-4000-8000-000000000001';
  await mkdir(join(folder, half));
  const long = new Date(Date.now() - 3_600_000);
  await utimes(join(folder, half), long, long);
  await at.sweep();
  expect(await readdir(folder)).toContain(id);
  expect(await readdir(folder)).not.toContain(half);
  ahead = 31 * 60_000;
  await at.sweep();
  ahead = 0;
  expect(await readdir(folder)).not.toContain(id);
  await at.stop();
});

test('what cannot be kept whole leaves nothing behind', async () => {
  const at = process();
  const before = await readdir(folder);
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from('<File');
    throw new Error('gone');
  }
  await expect(at.receive(owner, broken())).rejects.toThrow('gone');
  expect(await at.receive(owner, bytes('x'.repeat(1_000_001)))).toEqual({ kind: 'too-large' });
  expect(await readdir(folder)).toEqual(before);
  await at.stop();
});

test('what was saved while the clock was ahead is not kept for longer once it is put right', async () => {
  const at = process();
  ahead = 3_600_000;
  const id = await shown(at, 9);
  const preview = await stateOf(at, id);
  ahead = 0;
  const state = { kind: 'sending', beganAt: 0, share: 0.5, records: 1, doing: 'loading' } as const;
  expect(at.isInterrupted({ ...preview, state })).toBe(true);
  expect(await at.find(id, owner)).toBeUndefined();
  await at.sweep();
  expect(await readdir(folder)).not.toContain(id);
  const kept = join(folder, 'comparisons');
  const comparisons = createComparisons(kept, () => undefined);
  const difference = { authority } as unknown as Reconciliation;
  const compared = await comparisons.keep(owner, difference);
  const [file = ''] = await readdir(kept);
  const later = new Date(Date.now() + 3_600_000);
  await utimes(join(kept, file), later, later);
  expect(await comparisons.find(compared, owner)).toBeUndefined();
  await comparisons.sweep();
  expect(await readdir(kept)).toEqual([]);
  comparisons.stop();
  await at.stop();
});
