import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadFile } from '#loaders/load/load.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { readConfiguration } from '#schemas/configuration.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { Cases } from '#service/audit/cases/cases.ts';
import { CopyDamaged } from '#service/audit/copy/commits.ts';
import { folderPlace } from '#service/audit/copy/folder-place.ts';
import { numberPath } from '#service/audit/copy/numbered.ts';
import { CopyAway, type Place } from '#service/audit/copy/place.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { auditCasesFile, meshFolder } from '#service/files/data-folder.ts';
import { guardAnchor, keepEpoch } from '#service/standby/guard.ts';
import { createStateCopy, restoreState } from '#service/standby/state-copy.ts';
import { statePlaces } from '#service/standby/worker-state.ts';
import { orderOneCopy } from '#store/audit-stream/copy-orders.ts';
import { keys } from '#store/keys.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { eventSource, openLog, signerOf } from '../../support/audit.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';
import { fileCsv, planOf } from '../../support/upload-model.ts';

const DEADLINE_MS = 10_000;
const EPOCH = 3;
const AUTHORITY = odsCodeSchema.parse('ZZ101');

let t: TestStore;
let copyFolder: string;
let place: Place;
beforeEach(async () => {
  t = await startTestStore({ kind: 'demo' });
  copyFolder = join(t.dataDir, 'copy');
  mkdirSync(copyFolder);
  place = folderPlace(copyFolder, DEADLINE_MS);
});
afterEach(() => t?.stop());

const configurationOf = (dataDir: string) =>
  readConfiguration({ DATA_DIR: dataDir, AUDIT_COPY: copyFolder });
const here = () => configurationOf(t.dataDir);
const elsewhere = () => configurationOf(join(t.dataDir, 'elsewhere'));

const stateCopy = (of: Place = place) =>
  createStateCopy({
    place: of,
    places: statePlaces(here()),
    memoryFile: join(t.dataDir, 'state-copy.json'),
    anchor: t.anchor,
  });
const spool = (name: string, content: string): string => {
  const folder = join(t.dataDir, 'spool', name);
  mkdirSync(folder, { recursive: true });
  for (const file of ['lock', 'held'])
    writeFileSync(join(folder, file), file === 'lock' ? '' : content);
  return folder;
};
const hold = (id: string, folder: string) =>
  t.anchor.changeHeldFiles({
    holds: { id, authority: AUTHORITY, sequence: 1, folder, at: 1, json: '{}' },
  });
const anchorElsewhere = () => Anchor.open(join(t.dataDir, 'elsewhere', 'anchor'));

test('what a bucket does not list yet is found all the same', async () => {
  const copy = stateCopy();
  await copy.save(EPOCH);
  const before = new Map<string, string[]>();
  const late: Place = {
    ...place,
    list: async (folder) => before.get(folder) ?? [],
  };
  for (const folder of [
    'state',
    ...readdirSync(copyFolder, { recursive: true, encoding: 'utf8' }),
  ]) {
    if (statSync(join(copyFolder, folder)).isDirectory()) {
      before.set(folder, await place.list(folder));
    }
  }
  hold('held-1', spool('load-abc', 'rows'));
  await copy.save(EPOCH);
  hold('held-2', spool('load-def', 'more rows'));
  await copy.save(EPOCH + 1);

  for (const [epoch, held] of [
    [EPOCH, ['held-1']],
    [EPOCH + 1, ['held-1', 'held-2']],
  ] as const) {
    await restoreState(late, statePlaces(elsewhere()), epoch);
    const anchor = anchorElsewhere();
    expect(anchor.heldFiles().map(({ id }) => id)).toEqual(held);
    anchor.close();
  }
});

test('another machine finds the anchor, the spools it needs in their place there, notices, and what belongs to the log', async () => {
  hold('held-1', spool('load-abc', 'rows'));
  spool('load-unneeded', 'nobody needs it');
  mkdirSync(join(t.dataDir, 'notices'));
  writeFileSync(join(t.dataDir, 'notices', 'a notice.json'), '{"id":1}');
  const signer = signerOf();
  const log = openLog(join(t.dataDir, 'audit'), signer);
  log.append(eventSource().take(3));
  log.commits.acceptGap({ stream: 1, sealed: 2, found: 5 });
  await log.commits.addRetentionHold('A. Guardian', 'inquiry', async () => undefined);
  await stateCopy().save(EPOCH);
  const other = openLog(join(t.dataDir, 'elsewhere', 'audit'), signer, log.committed.id);
  other.close();
  log.close();

  await restoreState(place, statePlaces(elsewhere()), 0);
  const anchor = anchorElsewhere();
  const [held] = anchor.heldFiles();
  expect(anchor.dataset()).toEqual(t.anchor.dataset());
  anchor.close();
  expect(held?.folder).toBe(join(t.dataDir, 'elsewhere', 'spool', 'load-abc'));
  expect(readFileSync(join(held?.folder ?? '', 'held'), 'utf8')).toBe('rows');
  expect(readdirSync(held?.folder ?? '').toSorted()).toEqual(['held', 'lock']);
  expect(readdirSync(join(t.dataDir, 'elsewhere', 'spool'))).toEqual(['load-abc']);
  expect(readFileSync(join(t.dataDir, 'elsewhere', 'notices', 'a notice.json'), 'utf8')).toBe(
    '{"id":1}',
  );
  const commits = CommitFile.open(join(t.dataDir, 'elsewhere', 'audit'));
  expect(commits.acceptedGaps()).toEqual([{ stream: 1, sealed: 2, found: 5 }]);
  expect(commits.retentionHolds()).toHaveLength(1);
  expect(commits.read()?.size).toBe(0);
  commits.close();
});

test('cases on accesses and their words go with the worker, since no log has them', async () => {
  const cases = Cases.open(auditCasesFile(here()), () => Promise.resolve());
  const access = { entry: 1, accessId: randomUUID(), organisation: 'ZZH01', about: 'nurse' };
  const actor = { key: 'officer', event: { by: 'Otto Officer' } };
  await cases.open(access, 'inquire', actor, 'Rang the ward');
  cases.close();
  await stateCopy().save(EPOCH);
  await restoreState(place, statePlaces(elsewhere()), 0);
  const restored = Cases.open(auditCasesFile(elsewhere()), () => Promise.resolve());
  const [found] = restored.list(undefined, 10).cases;
  expect(found && restored.steps(found)).toMatchObject([{ words: 'Rang the ward' }]);
  restored.close();
});

test('neither a request that arrives late nor a later worker that died at once hides the newest state, and a state that nothing changed is not copied again', async () => {
  let delayed: (() => Promise<void>) | undefined;
  const slow: Place = {
    ...place,
    async replace(name, content) {
      if (delayed === undefined && name.includes('manifest')) {
        delayed = () => place.replace(name, content);
      }
      await place.replace(name, content);
    },
  };
  const copy = stateCopy(slow);
  await copy.save(EPOCH);
  // The store verifier writes to the anchor now and then.
  await until(async () => !(await copy.save(EPOCH)), 'nothing to copy');
  for (let i = 0; i < 5; i++) {
    hold(`held-${i}`, spool(`load-${i}`, String(i)));
    expect(await copy.save(EPOCH)).toBe(true);
  }
  await delayed?.();
  // A later worker that died before it had copied all of its own.
  await place.replace(`state/${numberPath(EPOCH + 2)}/0-1`, Buffer.from('x'));
  await restoreState(place, statePlaces(elsewhere()), 0);
  const anchor = anchorElsewhere();
  expect(anchor.heldFiles()).toHaveLength(5);
  anchor.close();
});

test('a worker that dies between two writes, or whose answer is lost, leaves a whole state, however long a database was unchanged', async () => {
  let dies: 'before' | 'after' | undefined;
  const dying: Place = {
    ...place,
    async replace(name, content) {
      const of = name.includes('manifest') ? dies : undefined;
      if (of !== 'before') await place.replace(name, content);
      if (of !== undefined) throw new CopyAway('the machine is lost');
    },
  };
  const copy = stateCopy(dying);
  const notices = join(t.dataDir, 'notices');
  mkdirSync(notices);
  let held = 0;
  const holdMore = (): void => hold(`held-${++held}`, spool(`load-${held}`, 'rows'));
  const heldElsewhere = async (): Promise<number> => {
    await restoreState(place, statePlaces(elsewhere()), 0);
    const anchor = anchorElsewhere();
    const count = anchor.heldFiles().length;
    anchor.close();
    return count;
  };
  for (const unchanged of [14, 15, 16]) {
    dies = undefined;
    holdMore();
    await copy.save(EPOCH);
    for (let i = 0; i < unchanged; i++) {
      writeFileSync(join(notices, `${held}-${i}.json`), '{}');
      await copy.save(EPOCH);
    }
    for (const when of ['before', 'after', 'before'] as const) {
      const known = await heldElsewhere();
      holdMore();
      dies = when;
      await expect(copy.save(EPOCH)).rejects.toThrow('the machine is lost');
      expect(await heldElsewhere()).toBe(when === 'before' ? known : held);
    }
  }
});

test('an object that was changed is found out, and nothing is put in the place of what is here', async () => {
  hold('held-1', spool('load-abc', 'rows'));
  await stateCopy().save(EPOCH);
  const folder = join(copyFolder, 'state', numberPath(EPOCH));
  const [database] = readdirSync(folder).filter((name) => name.startsWith('0-'));
  writeFileSync(join(folder, database ?? ''), 'something else');
  await expect(restoreState(place, statePlaces(elsewhere()), 0)).rejects.toThrow(
    'damaged or missing',
  );
  const anchor = anchorElsewhere();
  expect(anchor.dataset()).toBeUndefined();
  anchor.close();
});

test('no row of a file is applied before its journal is in the copy, unless a named person goes on with one', async () => {
  const redis = await t.connect('worker');
  guardAnchor(here(), redis, t.anchor);
  await t.store.setAuthority(
    AUTHORITY,
    { name: 'A Council', emergencyDutyTeamPhone: '02079460199' },
    'test',
  );
  const metadata = { authority: AUTHORITY, sequence: 1, createdAt: new Date().toISOString() };
  const load = (sequence: number) =>
    loadFile(
      t.store,
      t.anchor,
      {
        name: 'file.csv',
        stream: Readable.from([Buffer.from(fileCsv({ records: [planOf(sequence)] }))]),
      },
      {
        spoolDir: join(t.dataDir, 'spool'),
        addAuthority: false,
        by: 'test',
        metadata: { ...metadata, sequence, rowCount: 1 },
      },
    );
  renameSync(copyFolder, `${copyFolder}-away`);
  await expect(load(1)).rejects.toThrow('is not there');
  expect((await t.store.tally()).get(AUTHORITY)?.rows ?? 0).toBe(0);

  await orderOneCopy(t.admin, { by: 'A. Example', reason: 'the bucket is away' });
  expect((await load(1)).code).toBe('CPF02');
});

test('a data folder whose worker was replaced changes nothing any more', async () => {
  const redis = await t.connect('worker');
  await keepEpoch(here(), 1);
  await t.admin.set(keys.workerAtWork, '1');
  const save = guardAnchor(here(), redis, t.anchor);
  await save?.();
  await t.admin.set(keys.workerAtWork, '2');
  await expect(t.anchor.safeguard()).rejects.toThrow('Another worker has taken over');
});

test('a large file that was copied while the clock was ahead is copied again once it is put right', async () => {
  mkdirSync(join(t.dataDir, 'audit'), { recursive: true });
  const db = new DatabaseSync(join(t.dataDir, 'audit', 'notifications.sqlite'));
  db.exec('CREATE TABLE told (text TEXT); INSERT INTO told VALUES (hex(randomblob(1000000)))');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 86_400_000 });
  try {
    await stateCopy().save(EPOCH);
  } finally {
    vi.useRealTimers();
  }
  db.exec("INSERT INTO told VALUES ('since')");
  await stateCopy().save(EPOCH);
  db.close();
  await restoreState(place, statePlaces(elsewhere()), 0);
  const there = new DatabaseSync(join(t.dataDir, 'elsewhere', 'audit', 'notifications.sqlite'));
  expect(there.prepare('SELECT count(*) AS count FROM told').get()).toEqual({ count: 2 });
  there.close();
});

test('a worker without the mailbox, or of an earlier version, takes over the rest from one that had more, and says what it leaves', async () => {
  const mailbox = 'X26HC005';
  const withMesh = readConfiguration({
    DATA_DIR: t.dataDir,
    AUDIT_COPY: copyFolder,
    MESH_MAILBOX: mailbox,
  });
  const ofMesh = meshFolder(withMesh, mailbox);
  mkdirSync(join(ofMesh, 'sent'), { recursive: true });
  writeFileSync(join(ofMesh, 'sent', 'one.dat'), 'x');
  new DatabaseSync(join(ofMesh, 'mesh.sqlite')).close();
  const later = join(t.dataDir, 'later');
  mkdirSync(later);
  writeFileSync(join(later, 'a.json'), '{}');
  hold('held-1', spool('load-abc', 'rows'));
  const places = statePlaces(withMesh);
  await createStateCopy({
    place,
    places: { ...places, folders: [...places.folders, { name: 'later', path: later }] },
    memoryFile: join(t.dataDir, 'state-copy.json'),
    anchor: t.anchor,
  }).save(EPOCH);

  expect(await restoreState(place, statePlaces(elsewhere()), 0)).toEqual({
    kind: 'restored',
    left: ['later', 'mesh', 'mesh.sqlite'],
  });
  const anchor = anchorElsewhere();
  expect(anchor.heldFiles().map(({ id }) => id)).toEqual(['held-1']);
  anchor.close();
  expect(COPY.stateLeft(place.name, ['mesh'])).toContain('MESH_MAILBOX');
});

test.each([
  'notices/../../outside',
  'notices/',
  'notices//a',
  'notices/./a',
  'notices/a\0b',
  'mesh/a\0b',
  '../notices/a',
  '/notices/a',
  'later/../../outside',
  '..',
  '',
])(
  'a copy that names a file outside the folders of the state (%j) is refused whole',
  async (name) => {
    hold('held-1', spool('load-abc', 'rows'));
    mkdirSync(join(t.dataDir, 'notices'));
    writeFileSync(join(t.dataDir, 'notices', 'a.json'), '{}');
    await stateCopy().save(EPOCH);
    const folder = join(copyFolder, 'state', numberPath(EPOCH));
    const manifest = readdirSync(folder).find((each) => each.startsWith('manifest-')) ?? '';
    const text = readFileSync(join(folder, manifest), 'utf8');
    writeFileSync(join(folder, manifest), text.replace('"notices/a.json"', JSON.stringify(name)));
    await expect(restoreState(place, statePlaces(elsewhere()), 0)).rejects.toThrow(CopyDamaged);
    expect(existsSync(join(t.dataDir, 'outside'))).toBe(false);
    expect(existsSync(join(t.dataDir, 'elsewhere', 'anchor', 'anchor.sqlite'))).toBe(false);
  },
);

test('a file whose name is not UTF-8 keeps nothing else from the copy', async () => {
  mkdirSync(join(t.dataDir, 'notices'));
  writeFileSync(
    Buffer.concat([Buffer.from(`${join(t.dataDir, 'notices')}/a`), Buffer.from([0xff])]),
    '',
  );
  writeFileSync(join(t.dataDir, 'notices', 'b.json'), '{"id":2}');
  await stateCopy().save(EPOCH);
  await restoreState(place, statePlaces(elsewhere()), 0);
  expect(readdirSync(join(t.dataDir, 'elsewhere', 'notices'))).toEqual(['b.json']);
});
