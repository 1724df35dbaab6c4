import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { Reconciliation } from '#schemas/uploads/reconciliation.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { createComparisons } from '#service/uploads/comparisons.ts';
import { createPreviews, type Preview } from '#service/uploads/previews.ts';
import type { Store } from '#store/store.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

/** Files uploaded from a page are handled by several processes, some of which end. */

let t: TestStore;
const authority: OdsCode = odsCodeSchema.parse('ZZ101');
const session = {
  id: randomUUID(),
  issuer: 'https://sign-in.example',
  subject: 'officer',
  issuedAt: Date.now(),
};
const owner = { authority, userKey: 'a'.repeat(43), session };
const previewedBy = {
  by: 'test',
  requestId: randomUUID(),
  caller: {
    issuer: session.issuer,
    client: 'test',
    user: 'officer',
    name: 'Carys Officer',
    role: { code: 'R1', name: 'Officer' },
    organisation: { code: 'ZZ101', name: 'Northmoor Council' },
  },
};
const ended = new Set<string>();
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

/** One of several processes that share a data folder. */
const process = (store: Store = t.store) =>
  createPreviews({
    folder,
    store,
    anchor: t.anchor,
    loads: {
      spoolDir: join(folder, 'spool'),
      noticesDir: folder,
      maxBytes: 1_000_000,
      echoTo: [],
    },
    hasEnded: ({ id }) => ended.has(id),
    metrics: { uploaded: (code) => void answered.push(code) },
    log: createLog('silent'),
    now: () => Date.now() + ahead,
    lockWaitMs: 20,
  });
type Process = ReturnType<typeof process>;

async function* bytes(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

/** Uploads a file that is kept, and returns its id. */
async function kept(at: Process, text: string, name: string, by = owner): Promise<string> {
  const received = await at.receive(by, name, bytes(text));
  if (received.kind !== 'received') throw new Error(received.kind);
  return received.id;
}

/** Uploads a file, waits for its preview, and returns its id. */
async function shown(at: Process, sequence: number): Promise<string> {
  const text = fileXml(
    upload({ authority, sequence, createdAt: '202611232130+0000', records: [planOf(sequence)] }),
  );
  const id = await kept(at, text, 'a.xml');
  await at.check(id, await stateOf(at, id), { typed: {}, metadata: {} }, previewedBy);
  await until(async () => (await at.find(id, owner))?.state.kind === 'shown');
  return id;
}

const stateOf = async (at: Process, id: string): Promise<Preview> =>
  (await at.find(id, owner)) as Preview;
const isOver = (at: Process, id: string) =>
  until(async () => !['shown', 'sending'].includes((await stateOf(at, id)).state.kind));

test('if several processes are told to send a file, only one does', async () => {
  const [one, other] = [process(), process()];
  const id = await shown(one, 1);
  const preview = await stateOf(other, id);
  await Promise.all([one.send(id, preview, previewedBy), other.send(id, preview, previewedBy)]);
  await isOver(one, id);
  expect((await stateOf(other, id)).state).toMatchObject({
    kind: 'answered',
    acknowledgement: { code: 'CPF02' },
  });
  expect(answered).toEqual(['CPF02']);
  expect(await one.discard(id)).toBe(false);
  await Promise.all([one.stop(), other.stop()]);
});

test('a file still waits, and can be sent again, if another of its council is being loaded', async () => {
  const at = process();
  const id = await shown(at, 2);
  const lock = await t.store.lockAuthority(authority);
  await at.send(id, await stateOf(at, id), previewedBy);
  await until(async () => {
    const { state } = await stateOf(at, id);
    return state.kind === 'shown' && state.busy === true;
  });
  await lock?.release();
  await at.send(id, await stateOf(at, id), previewedBy);
  await isOver(at, id);
  expect((await stateOf(at, id)).state.kind).toBe('answered');
  await at.stop();
});

test('a file can be checked, and sent, again if its state could not be written', async () => {
  const at = process();
  const of = { authority, sequence: 30, createdAt: '202611232130+0000' };
  const text = fileXml(upload({ ...of, records: [planOf(30)] }));
  const id = await kept(at, text, 'a.xml');
  const path = join(folder, id, 'state.json');
  /** Does it while a folder stands where the file of the state should be, so that it cannot be written. */
  async function failing(act: () => Promise<unknown>): Promise<void> {
    const state = await readFile(path);
    await rm(path);
    await mkdir(path);
    await expect(act()).rejects.toThrow('is a folder');
    await rmdir(path);
    await writeFile(path, state);
  }
  const received = await stateOf(at, id);
  const check = () => at.check(id, received, { typed: {}, metadata: {} }, previewedBy);
  await failing(check);
  await check();
  await until(async () => (await stateOf(at, id)).state.kind === 'shown');
  const preview = await stateOf(at, id);
  await failing(() => at.send(id, preview, previewedBy));
  await at.send(id, preview, previewedBy);
  await isOver(at, id);
  expect((await stateOf(at, id)).state.kind).toBe('answered');
  await at.stop();
});

test('a damaged state keeps nobody else from sending a file', async () => {
  const at = process();
  const theirs = await kept(at, 'x', 'a.xml', { ...owner, userKey: 'g'.repeat(43) });
  await writeFile(join(folder, theirs, 'state.json'), '{"authority":');
  const mine = await kept(at, 'x', 'a.xml');
  expect((await at.waitingFor(owner)).map(({ id }) => id)).toContain(mine);
  for (const id of [theirs, mine]) await at.discard(id);
  await at.stop();
});

test('a preview whose process has ended is recognised as interrupted, and not taken for one in progress', async () => {
  const at = process();
  const id = await shown(at, 3);
  const preview = await stateOf(at, id);
  const state = { kind: 'sending', beganAt: 0, share: 0.5, records: 1, doing: 'loading' } as const;
  expect(at.isInterrupted({ ...preview, state })).toBe(false);
  ahead = 31_000;
  expect(at.isInterrupted({ ...preview, state })).toBe(true);
  // A preview that waits for its sender waits for no process.
  expect(at.isInterrupted(preview)).toBe(false);
  ahead = 0;
  await at.discard(id);
  await at.stop();
});

test('a start removes files that nobody waits for, even if their process ended while they arrived', async () => {
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

test('a file that somebody begins to send at the end of its time is not removed under them', async () => {
  const at = process();
  const id = await shown(at, 5);
  ahead = 31 * 60_000;
  // Another process has begun to send it, and has not saved that yet.
  const claimed = join(folder, id, 'claimed');
  await writeFile(claimed, '');
  const begun = new Date(Date.now() + ahead);
  await utimes(claimed, begun, begun);
  await at.sweep();
  expect(await readdir(join(folder, id))).toContain('file');
  // That process has ended without another word.
  ahead *= 2;
  await at.sweep();
  ahead = 0;
  expect(await readdir(folder)).not.toContain(id);
  await at.stop();
});

test('a file that cannot be kept whole leaves nothing behind', async () => {
  const at = process();
  const before = await readdir(folder);
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from('<File');
    throw new Error('gone');
  }
  await expect(at.receive(owner, 'a.xml', broken())).rejects.toThrow('gone');
  expect(await at.receive(owner, 'a.xml', bytes('x'.repeat(1_000_001)))).toEqual({
    kind: 'too-large',
  });
  expect(await readdir(folder)).toEqual(before);
  await at.stop();
});

test('a file saved while the clock was ahead is not kept for longer once the clock is corrected', async () => {
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
  const folderOf = join(folder, 'comparisons');
  const comparisons = createComparisons(folderOf, () => undefined);
  const difference = { authority } as unknown as Reconciliation;
  const compared = await comparisons.keep(owner, difference);
  const [file = ''] = await readdir(folderOf);
  const later = new Date(Date.now() + 3_600_000);
  await utimes(join(folderOf, file), later, later);
  expect(await comparisons.find(compared, owner)).toBeUndefined();
  await comparisons.sweep();
  expect(await readdir(folderOf)).toEqual([]);
  comparisons.stop();
  await at.stop();
});

const CSV = `nhs_number,local_id,date_of_birth,given_name,family_name,plan_type,start_date,end_date,delete_date\n`;
const typedAs = (sequence: number) => ({
  typed: { sequence: String(sequence) },
  metadata: { sequence, createdAt: '2026-11-23T21:30:00Z', rowCount: 0 },
});

test('a CSV with only its form fields wrong is kept, corrected without being uploaded again, and then previewed', async () => {
  const at = process();
  const id = await kept(at, CSV, 'export.csv');
  await at.check(id, await stateOf(at, id), { typed: {}, metadata: {} }, previewedBy);
  await until(async () => (await stateOf(at, id)).state.kind === 'refused');
  const refused = await stateOf(at, id);
  expect(refused.state).toMatchObject({ kind: 'refused', kept: true });
  expect(await readdir(join(folder, id))).toContain('file');
  expect(await at.unsent(id, owner)).toEqual(refused);
  // Sent twice at once, it is checked once, and both senders can read that it is being checked.
  const states = await Promise.all(
    [1, 2].map(async () => {
      await at.check(id, refused, typedAs(20), previewedBy);
      return (await stateOf(at, id)).state.kind;
    }),
  );
  expect(states.map((kind) => ['checking', 'shown'].includes(kind))).toEqual([true, true]);
  await until(async () => (await stateOf(at, id)).state.kind !== 'checking');
  expect((await stateOf(at, id)).state).toEqual({ kind: 'shown' });
  await at.discard(id);
  await at.stop();
});

test('a CSV that is wrong itself is deleted at once', async () => {
  const at = process();
  const id = await kept(at, `${CSV}"`, 'export.csv');
  await at.check(id, await stateOf(at, id), typedAs(21), previewedBy);
  await until(async () => (await stateOf(at, id)).state.kind === 'refused');
  expect((await stateOf(at, id)).state).not.toHaveProperty('kept');
  expect(await readdir(join(folder, id))).not.toContain('file');
  expect(await at.unsent(id, owner)).toBeUndefined();
  await at.stop();
});

test('a kept file belongs to its sender and session, and is deleted with the session or after ten minutes', async () => {
  const at = process();
  const others = { ...owner, session: { ...session, id: randomUUID() } };
  const mine = await kept(at, CSV, 'export.csv');
  expect(await at.unsent(mine, owner)).toMatchObject({
    name: 'export.csv',
    sha256: createHash('sha256').update(CSV).digest('hex'),
  });
  expect(await at.unsent(mine, others)).toBeUndefined();
  expect(await at.unsent(mine, { ...owner, userKey: 'b'.repeat(43) })).toBeUndefined();
  const theirs = await kept(at, CSV, 'export.csv', others);
  ended.add(session.id);
  await until(async () => !(await readdir(folder)).includes(mine));
  expect(await readdir(folder)).toContain(theirs);
  ahead = 11 * 60_000;
  await until(async () => !(await readdir(folder)).includes(theirs));
  ahead = 0;
  ended.clear();
  await at.stop();
});

test('a council keeps at most six files, and a person three, however many are sent', async () => {
  const at = process();
  const people = ['c', 'd', 'e'].map((letter) => ({ ...owner, userKey: letter.repeat(43) }));
  const ids: string[] = [];
  for (const by of [...people, ...people]) ids.push(await kept(at, CSV, 'export.csv', by));
  const more = { ...owner, userKey: 'f'.repeat(43) };
  expect(await at.receive(more, 'export.csv', bytes(CSV))).toEqual({ kind: 'busy' });
  // Another council still has room, and a person's fourth file replaces their oldest.
  const elsewhere = { ...more, authority: odsCodeSchema.parse('ZZ102') };
  for (let i = 0; i < 4; i++) {
    // No two are of the same millisecond, so one of them is the oldest.
    ahead++;
    ids.push(await kept(at, CSV, 'export.csv', elsewhere));
  }
  const there = new Set(await readdir(folder));
  expect(ids.filter((id) => !there.has(id))).toEqual([ids[6]]);
  for (const id of ids) await at.discard(id);
  ahead = 0;
  await at.stop();
});

test('a file that is being worked on is removed neither to make room nor when its sender signs out', async () => {
  const at = process();
  const by = { ...owner, userKey: 'g'.repeat(43), session: { ...session, id: randomUUID() } };
  const keepNext = () => {
    // No two are of the same millisecond, so one of them is the oldest.
    ahead++;
    return kept(at, CSV, 'export.csv', by);
  };
  const claimed = await keepNext();
  const others = [await keepNext(), await keepNext()];
  // Another process has begun to check it, and has not saved that yet.
  await writeFile(join(folder, claimed, 'claimed'), '');
  others.push(await keepNext());
  expect(await readdir(folder)).toEqual(expect.arrayContaining([claimed, ...others]));
  ended.add(by.session.id);
  await until(async () => {
    const there = new Set(await readdir(folder));
    return others.every((id) => !there.has(id));
  });
  expect(await readdir(join(folder, claimed))).toContain('file');
  expect(await at.discard(claimed)).toBe(false);
  await rm(join(folder, claimed), { recursive: true });
  ended.clear();
  ahead = 0;
  await at.stop();
});

test('a preview is recorded before anything is shown, with who saw it and its digest but none of its content', async () => {
  const at = process();
  const id = await kept(at, CSV, 'export-9991000012.csv');
  const { sha256 } = await stateOf(at, id);
  await at.check(id, await stateOf(at, id), typedAs(22), previewedBy);
  const events = await t.adminStore.readEvents('system');
  const [event] = events.filter((each) => JSON.stringify(each).includes(sha256));
  expect(event).toMatchObject({
    type: 'upload-previewed',
    authority,
    sha256,
    sizeBytes: CSV.length,
    by: 'Carys Officer',
    caller: previewedBy.caller,
  });
  expect(JSON.stringify(event)).not.toContain('9991000012');
  await until(async () => (await stateOf(at, id)).state.kind === 'shown');
  await at.discard(id);
  await at.stop();
});

test('a file still waits, and can be previewed again, if its preview could not be recorded', async () => {
  const appendEvent = () => Promise.reject(new Error('the audit does not answer'));
  const [one, other] = [process({ ...t.store, appendEvent }), process()];
  const id = await kept(one, fileXml(upload({ authority, sequence: 900 })), 'a.xml');
  const look = async (at: Process) =>
    at.check(id, await stateOf(at, id), { typed: {}, metadata: {} }, previewedBy);
  const said = await Promise.allSettled([look(one), look(one)]);
  expect(said.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(look(one)).rejects.toThrow('the audit does not answer');
  expect((await stateOf(one, id)).state.kind).toBe('received');
  await look(other);
  await until(async () => (await stateOf(other, id)).state.kind !== 'checking');
  expect((await stateOf(other, id)).state.kind).not.toBe('received');
  await Promise.all([one.stop(), other.stop()]);
});
