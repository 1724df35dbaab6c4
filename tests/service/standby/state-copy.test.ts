import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
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
import type { Signer } from '#service/audit/tlog/note.ts';
import {
  auditCasesFile,
  auditKeyFile,
  meshFolder,
  stateCopyFile,
} from '#service/files/data-folder.ts';
import { openCarried } from '#service/standby/carried.ts';
import { guardAnchor, keepLease } from '#service/standby/guard.ts';
import { newestState, restoreState, type StateKnown } from '#service/standby/restore-state.ts';
import { createStateCopy } from '#service/standby/state-copy.ts';
import { type StateFile, type StatePlaces, statePlaces } from '#service/standby/worker-state.ts';
import { acceptState, orderOneCopy } from '#store/audit-stream/copy-orders.ts';
import { lockFile } from '#store/files/sqlite.ts';
import { keys } from '#store/keys.ts';
import {
  beginWork,
  markedState,
  markState,
  type StateMark,
  takeWorkerLease,
  type WorkerLease,
} from '#store/locks/worker-lease.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { eventSource, openLog, signerOf } from '../../support/audit.ts';
import { startTestStore, type TestStore, until, WAIT_MS } from '../../support/test-store.ts';
import { fileCsv, planOf } from '../../support/upload-model.ts';

/** No test here waits for it: it is longer than a slow machine needs. */
const DEADLINE_MS = WAIT_MS;
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

const key = signerOf();
/** How much of the state has been copied, according to the store. */
let mark: StateMark | undefined;
beforeEach(() => (mark = undefined));

const stateCopy = (
  of: Place = place,
  {
    places = statePlaces(here()),
    signers = [key],
    dataDir = t.dataDir,
    anchor = t.anchor,
  }: { places?: StatePlaces; signers?: Signer[]; dataDir?: string; anchor?: Anchor } = {},
) => {
  const copy = createStateCopy({
    place: of,
    places,
    memoryFile: join(dataDir, 'state-copy.json'),
    anchor,
    signers: async () => signers,
    mark: async (state) => void (mark = state),
    carried: openCarried(join(dataDir, 'carried.json')).read,
  });
  return { save: (epoch: number, all?: boolean) => copy.save(async () => epoch, all) };
};
const known = (given: Partial<StateKnown> = {}): StateKnown => ({
  worked: 0,
  mark,
  signers: async () => [key],
  beforeSigning: false,
  ...given,
});
const spool = (name: string, content: string): string => {
  const folder = join(t.dataDir, 'spool', name);
  mkdirSync(folder, { recursive: true });
  for (const file of ['lock', 'held'])
    writeFileSync(join(folder, file), file === 'lock' ? '' : content);
  return folder;
};
const hold = (id: string, folder: string) =>
  t.anchor.changeHeldFiles(AUTHORITY, t.anchor.authority(AUTHORITY), {
    holds: { id, authority: AUTHORITY, sequence: 1, folder, at: 1, json: '{}' },
  });
const anchorElsewhere = () => Anchor.open(join(t.dataDir, 'elsewhere', 'anchor'));

test('an object that a bucket does not list yet is still found', async () => {
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
    await restoreState(late, statePlaces(elsewhere()), known({ worked: epoch, mark: undefined }));
    const anchor = anchorElsewhere();
    expect(anchor.heldFiles().map(({ id }) => id)).toEqual(held);
    anchor.close();
  }
});

test('another machine gets the anchor, the spools in use, the notices, and the files that belong to the log', async () => {
  hold('held-1', spool('load-abc', 'rows'));
  spool('load-unneeded', 'nobody needs it');
  mkdirSync(join(t.dataDir, 'notices'));
  writeFileSync(join(t.dataDir, 'notices', 'a notice.json'), '{"id":1}');
  const signer = signerOf();
  const log = openLog(join(t.dataDir, 'audit'), signer);
  log.append(eventSource().take(3));
  log.commits.acceptGap({ stream: 1, sealed: 2, found: 5 });
  log.commits.addRetentionHold({ by: 'A. Guardian', reason: 'inquiry', auditId: randomUUID() });
  await stateCopy().save(EPOCH);
  const other = openLog(join(t.dataDir, 'elsewhere', 'audit'), signer, log.committed.id);
  other.close();
  log.close();

  await restoreState(place, statePlaces(elsewhere()), known());
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

test('cases on accesses and their notes move with the worker, since no log has them', async () => {
  const cases = Cases.open(auditCasesFile(here()), () => Promise.resolve());
  const access = { entry: 1, accessId: randomUUID(), organisation: 'ZZH01', about: 'nurse' };
  const actor = { key: 'officer', event: { by: 'Otto Officer' } };
  await cases.open(access, 'inquire', actor, 'Rang the ward');
  cases.close();
  await stateCopy().save(EPOCH);
  await restoreState(place, statePlaces(elsewhere()), known());
  const restored = Cases.open(auditCasesFile(elsewhere()), () => Promise.resolve());
  const [found] = restored.list(undefined, 10).cases;
  expect(found && restored.steps(found)).toMatchObject([{ words: 'Rang the ward' }]);
  restored.close();
});

test('neither a late request nor a later worker that died at once hides the newest state, and an unchanged state is not copied again', async () => {
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
  // The store verifier writes to the anchor from time to time.
  await until(async () => !(await copy.save(EPOCH)), 'nothing to copy');
  for (let i = 0; i < 5; i++) {
    hold(`held-${i}`, spool(`load-${i}`, String(i)));
    expect(await copy.save(EPOCH)).toBe(true);
  }
  await delayed?.();
  // A later worker that died before it had copied all of its own state.
  await place.replace(`state/${numberPath(EPOCH + 2)}/0-1`, Buffer.from('x'));
  await restoreState(place, statePlaces(elsewhere()), known());
  const anchor = anchorElsewhere();
  expect(anchor.heldFiles()).toHaveLength(5);
  anchor.close();
});

test('a worker that dies between two writes, or misses an answer, leaves a whole state, however long a database has not changed', async () => {
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
    await restoreState(place, statePlaces(elsewhere()), known());
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

test('a changed object is detected, and replaces nothing here', async () => {
  hold('held-1', spool('load-abc', 'rows'));
  await stateCopy().save(EPOCH);
  const folder = join(copyFolder, 'state', numberPath(EPOCH));
  const [database] = readdirSync(folder).filter((name) => name.startsWith('0-'));
  writeFileSync(join(folder, database ?? ''), 'something else');
  await expect(restoreState(place, statePlaces(elsewhere()), known())).rejects.toThrow(
    'damaged or missing',
  );
  const anchor = anchorElsewhere();
  expect(anchor.dataset()).toBeUndefined();
  anchor.close();
});

test('no row of a file is applied before its journal is in the copy, unless a named person continues with one copy', async () => {
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

test('while one copy is ordered, saving the state says that it is not in the second copy', async () => {
  const redis = await t.connect('worker');
  await keepLease(here(), { epoch: 1 });
  await t.admin.set(keys.workerAtWork, '1');
  const save = guardAnchor(here(), redis, t.anchor);
  expect(await save?.()).toBe(true);
  await orderOneCopy(t.admin, { by: 'A. Example', reason: 'the bucket is away' });
  expect(await save?.()).toBe(false);
});

test('the data folder of a replaced worker can change nothing more', async () => {
  const redis = await t.connect('worker');
  await keepLease(here(), { epoch: 1 });
  await t.admin.set(keys.workerAtWork, '1');
  const save = guardAnchor(here(), redis, t.anchor);
  await save?.();
  await t.admin.set(keys.workerAtWork, '2');
  await expect(t.anchor.safeguard()).rejects.toThrow('Another worker has taken over');
});

test('what is saved while the worker is started anew is in the copy under its new number', async () => {
  const redis = await t.connect('worker');
  await keepLease(here(), { epoch: 1 });
  await t.admin.set(keys.workerAtWork, '1');
  const copying = lockFile(`${stateCopyFile(here())}.lock`);
  const saved = guardAnchor(here(), redis, t.anchor)?.();
  // It waits for the other process that copies.
  for (let i = 0; i < 50; i++) await t.admin.ping();
  await keepLease(here(), { epoch: 2, before: 1 });
  await t.admin.set(keys.workerAtWork, '2');
  copying?.close();
  expect(await saved).toBe(true);
  expect(await markedState(t.admin)).toMatchObject({ epoch: 2 });
});

test('a copy for which several wait has the large files if one of them asks for those', async () => {
  mkdirSync(join(t.dataDir, 'audit'), { recursive: true });
  const db = new DatabaseSync(join(t.dataDir, 'audit', 'notifications.sqlite'));
  db.exec('CREATE TABLE told (text TEXT); INSERT INTO told VALUES (hex(randomblob(1000000)))');
  const copy = stateCopy();
  await copy.save(EPOCH);
  db.exec("INSERT INTO told VALUES ('since')");
  db.close();
  await Promise.all([copy.save(EPOCH), copy.save(EPOCH, true)]);
  await restoreState(place, statePlaces(elsewhere()), known());
  const there = new DatabaseSync(join(t.dataDir, 'elsewhere', 'audit', 'notifications.sqlite'));
  expect(there.prepare('SELECT count(*) AS count FROM told').get()).toEqual({ count: 2 });
  there.close();
});

test('a large file copied while the clock was ahead is copied again once the clock is corrected', async () => {
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
  await restoreState(place, statePlaces(elsewhere()), known());
  const there = new DatabaseSync(join(t.dataDir, 'elsewhere', 'audit', 'notifications.sqlite'));
  expect(there.prepare('SELECT count(*) AS count FROM told').get()).toEqual({ count: 2 });
  there.close();
});

test('a worker without the mailbox, or of an earlier version, takes over the rest and says what it leaves', async () => {
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
  await stateCopy(place, {
    places: { ...places, folders: [...places.folders, { name: 'later', path: later }] },
  }).save(EPOCH);

  const restored = await restoreState(place, statePlaces(elsewhere()), known());
  if (restored.kind !== 'restored') throw new Error('nothing was restored');
  const carried = openCarried(join(t.dataDir, 'elsewhere', 'carried.json'));
  await carried.keep(restored.left);
  expect(carried.roots()).toEqual(['later', 'mesh.x26hc005']);
  const anchor = anchorElsewhere();
  expect(anchor.heldFiles().map(({ id }) => id)).toEqual(['held-1']);
  anchor.close();
  expect(COPY.stateLeft(place.name, ['mesh.x26hc005'])).toContain('MESH_MAILBOX');

  // The previous worker may still write to the places where it wrote before.
  await place.replace(`state/${numberPath(EPOCH)}/4-1`, Buffer.from('x'));
  const anchorThere = anchorElsewhere();
  await stateCopy(place, {
    places: statePlaces(elsewhere()),
    dataDir: join(t.dataDir, 'elsewhere'),
    anchor: anchorThere,
  }).save(EPOCH + 1);
  anchorThere.close();
  const third = readConfiguration({
    DATA_DIR: join(t.dataDir, 'third'),
    AUDIT_COPY: copyFolder,
    MESH_MAILBOX: mailbox,
  });
  expect(await restoreState(place, statePlaces(third), known())).toMatchObject({
    kind: 'restored',
    left: { databases: [], files: [{ name: 'later/a.json' }] },
  });
  expect(readFileSync(join(meshFolder(third, mailbox), 'sent', 'one.dat'), 'utf8')).toBe('x');
  expect(existsSync(join(meshFolder(third, mailbox), 'mesh.sqlite'))).toBe(true);

  // The mailbox is now set where it had been left out.
  const now = readConfiguration({
    DATA_DIR: join(t.dataDir, 'elsewhere'),
    AUDIT_COPY: copyFolder,
    MESH_MAILBOX: mailbox,
  });
  await carried.putHere(place, statePlaces(now));
  expect(readFileSync(join(meshFolder(now, mailbox), 'sent', 'one.dat'), 'utf8')).toBe('x');
  expect(carried.roots()).toEqual(['later']);
});

describe('mailbox state', () => {
  /** A worker's settings and the folder of its mailbox; `sent` is a message that the mailbox keeps. */
  function worker(name: string, mailbox: string, sent?: string) {
    const settings = readConfiguration({
      DATA_DIR: name === '' ? t.dataDir : join(t.dataDir, name),
      AUDIT_COPY: copyFolder,
      MESH_MAILBOX: mailbox,
    });
    const folder = meshFolder(settings, mailbox);
    if (sent !== undefined) {
      mkdirSync(join(folder, 'sent'), { recursive: true });
      writeFileSync(join(folder, 'sent', 'one.dat'), sent);
      new DatabaseSync(join(folder, 'mesh.sqlite')).close();
    }
    return { places: statePlaces(settings), folder };
  }
  const sentIn = (folder: string): string => readFileSync(join(folder, 'sent', 'one.dat'), 'utf8');

  test('is not put into another mailbox by a worker that takes over, and waits for one with the same mailbox', async () => {
    const first = worker('', 'X26HC005', 'of the first');
    await stateCopy(place, { places: first.places }).save(EPOCH);
    const second = worker('elsewhere', 'X26HC006');
    const restored = await restoreState(place, second.places, known());
    expect(existsSync(second.folder)).toBe(false);
    if (restored.kind !== 'restored') throw new Error('nothing was restored');
    const carried = openCarried(join(t.dataDir, 'elsewhere', 'carried.json'));
    await carried.keep(restored.left);
    expect(carried.roots()).toEqual(['mesh.x26hc005']);

    // By now it has the state of a mailbox of its own.
    const own = worker('elsewhere', 'X26HC006', 'of the second');
    const anchor = anchorElsewhere();
    await stateCopy(place, {
      places: own.places,
      dataDir: join(t.dataDir, 'elsewhere'),
      anchor,
    }).save(EPOCH + 1);
    anchor.close();
    const third = worker('third', 'X26HC005');
    await restoreState(place, third.places, known());
    expect(sentIn(third.folder)).toBe('of the first');
    const fourth = worker('fourth', 'X26HC006');
    await restoreState(place, fourth.places, known());
    expect(sentIn(fourth.folder)).toBe('of the second');
  });

  test('from an earlier version, which did not name the mailbox, is taken over', async () => {
    const first = worker('', 'X26HC005', 'x');
    const named = ({ name, former = name, path }: StateFile) => ({ name: former, path });
    const { databases, folders, ...rest } = first.places;
    await stateCopy(place, {
      places: { ...rest, databases: databases.map(named), folders: folders.map(named) },
    }).save(EPOCH);
    const other = worker('elsewhere', 'X26HC005');
    expect(await restoreState(place, other.places, known())).toMatchObject({
      left: { databases: [], files: [] },
    });
    expect(sentIn(other.folder)).toBe('x');
    expect(existsSync(join(other.folder, 'mesh.sqlite'))).toBe(true);
  });
});

const manifests = (epoch: number): string[] => {
  const folder = join(copyFolder, 'state', numberPath(epoch));
  return readdirSync(folder)
    .filter((name) => name.startsWith('manifest-'))
    .map((name) => join(folder, name));
};
/** The path and text of the newest manifest. */
function newestManifest(epoch: number): { path: string; text: string } {
  const versionOf = (text: string): number => Number(/"version":(\d+)/.exec(text)?.[1]);
  const [newest] = manifests(epoch)
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
    .toSorted((one, other) => versionOf(other.text) - versionOf(one.text));
  if (newest === undefined) throw new Error('there is none');
  return newest;
}
const slotted = (path: string, version: number): string =>
  path.replace(/-\d+$/, `-${version % 16}`);

/** What somebody without a key can do who is able to write to the copy. */
const FORGERIES: Record<string, () => Promise<void> | void> = {
  'names an older object': () => {
    const { path, text } = newestManifest(EPOCH);
    const [older = ''] = [...text.matchAll(/anchor\.sqlite","object":"([^"]+)"/g)].map(
      ([, o]) => o,
    );
    writeFileSync(path, text.replace(older, older.replace(/\d+$/, '1')));
  },
  'leaves a held record out': () => {
    const { path, text } = newestManifest(EPOCH);
    writeFileSync(path, text.replace(/\{"name":"spool[^}]+\},?/, ''));
  },
  'is not signed': () => {
    const { path, text } = newestManifest(EPOCH);
    writeFileSync(path, text.replace(/,"signatures":.*/, '}'));
  },
  'is signed by another key': async () => {
    const { version } = mark ?? { version: 0 };
    const other = stateCopy(place, { signers: [signerOf()] });
    await other.save(EPOCH);
    mark = { epoch: EPOCH, version };
  },
  'is of a worker that never was': async () => {
    const { path, text } = newestManifest(EPOCH);
    const later = slotted(path, 9).replace(numberPath(EPOCH), numberPath(EPOCH + 4));
    mkdirSync(join(later, '..'), { recursive: true });
    writeFileSync(later, text.replace(`"epoch":${EPOCH}`, `"epoch":${EPOCH + 4}`));
  },
  'is of another worker’s number': () => {
    const { path, text } = newestManifest(EPOCH);
    const later = path.replace(numberPath(EPOCH), numberPath(EPOCH + 4));
    mkdirSync(join(later, '..'), { recursive: true });
    writeFileSync(later, text);
  },
  'is later than any': () => {
    const { path, text } = newestManifest(EPOCH);
    writeFileSync(slotted(path, 9), text.replace(/"version":\d+/, '"version":100009'));
  },
};

test.each(Object.keys(FORGERIES))(
  'a worker’s state that %s is refused whole, and the message says what to do',
  async (forgery) => {
    hold('held-1', spool('load-abc', 'rows'));
    const copy = stateCopy();
    await copy.save(EPOCH);
    hold('held-2', spool('load-def', 'more rows'));
    await copy.save(EPOCH);
    await FORGERIES[forgery]?.();
    await expect(restoreState(place, statePlaces(elsewhere()), known())).rejects.toThrow(
      /is not signed with the audit key of this worker.*AUDIT_KEY_FILE.*start the worker that was running last/,
    );
    expect(existsSync(join(t.dataDir, 'elsewhere', 'anchor', 'anchor.sqlite'))).toBe(false);
  },
);

test.each(['older versions', 'nothing', 'only an earlier worker’s'])(
  'a copy put back to %s is refused whole, and the message says what to do',
  async (to) => {
    const copy = stateCopy();
    await copy.save(EPOCH - 1);
    hold('held-1', spool('load-abc', 'rows'));
    await copy.save(EPOCH);
    const old = newestManifest(EPOCH);
    hold('held-2', spool('load-def', 'more rows'));
    await copy.save(EPOCH);
    for (const path of manifests(EPOCH)) {
      if (to === 'older versions') writeFileSync(path, old.text);
      else rmSync(path);
    }
    if (to === 'nothing') rmSync(join(copyFolder, 'state'), { recursive: true });
    await expect(restoreState(place, statePlaces(elsewhere()), known())).rejects.toThrow(
      /is older than what was there before.*Start the worker that was running last/,
    );
    expect(existsSync(join(t.dataDir, 'elsewhere', 'anchor', 'anchor.sqlite'))).toBe(false);
  },
);

test('an older state is taken over if a named person accepts it, which is recorded first', async () => {
  const copy = stateCopy();
  await copy.save(EPOCH);
  const old = newestManifest(EPOCH);
  hold('held-1', spool('load-abc', 'rows'));
  await copy.save(EPOCH);
  if (mark !== undefined) await markState(t.admin, mark);
  await markState(t.admin, { epoch: EPOCH - 1, version: 7 });
  for (const path of manifests(EPOCH)) if (path !== old.path) rmSync(path);
  const restore = async () =>
    restoreState(place, statePlaces(elsewhere()), known({ mark: await markedState(t.admin) }));
  await expect(restore()).rejects.toThrow('audit copy accept-older');

  const found = await newestState(place, known({ mark: undefined }));
  const accepted = { epoch: EPOCH, version: found?.version ?? 0 };
  await acceptState(t.admin, { by: 'A. Example', reason: 'the bucket was put back' }, accepted);
  expect(await t.adminStore.readEvents('system')).toContainEqual(
    expect.objectContaining({
      type: 'older-state-accepted',
      by: 'A. Example',
      detail: { reason: 'the bucket was put back', worker: EPOCH, version: accepted.version },
    }),
  );
  expect(await t.admin.hkeys(keys.workerState)).toEqual([String(EPOCH)]);
  expect((await restore()).kind).toBe('restored');
});

test('an earlier version’s unsigned state is taken over only until the store knows of a signed one', async () => {
  hold('held-1', spool('load-abc', 'rows'));
  const copy = stateCopy();
  await copy.save(EPOCH);
  const { path, text } = newestManifest(EPOCH);
  const unsigned = text.replace(/"epoch":\d+,/, '').replace(/,"signatures":.*/, '}');
  writeFileSync(path, unsigned);
  const before = known({ mark: undefined, beforeSigning: true });
  await restoreState(place, statePlaces(elsewhere()), before);
  const anchor = anchorElsewhere();
  expect(anchor.heldFiles()).toHaveLength(1);
  await stateCopy(place, {
    places: statePlaces(elsewhere()),
    dataDir: join(t.dataDir, 'elsewhere'),
    anchor,
  }).save(EPOCH + 1);
  anchor.close();

  expect(mark?.epoch).toBe(EPOCH + 1);
  const third = configurationOf(join(t.dataDir, 'third'));
  expect((await restoreState(place, statePlaces(third), known())).kind).toBe('restored');
  const later = join(copyFolder, 'state', numberPath(EPOCH + 1), 'manifest-9');
  writeFileSync(later, unsigned.replace(/"version":\d+/, '"version":9'));
  await expect(restoreState(place, statePlaces(third), known())).rejects.toThrow('is not signed');
});

test('while the audit key is being changed both keys sign, and what only the former key signed is signed again', async () => {
  const next = signerOf();
  const isKnownTo = (signer: Signer) =>
    restoreState(place, statePlaces(elsewhere()), known({ signers: async () => [signer] }));
  await stateCopy().save(EPOCH);
  await expect(isKnownTo(next)).rejects.toThrow('is not signed');
  expect(await stateCopy(place, { signers: [next, key] }).save(EPOCH)).toBe(true);
  await isKnownTo(next);
  await isKnownTo(key);
});

test('a copy in another place is complete in itself', async () => {
  hold('held-1', spool('load-abc', 'rows'));
  await stateCopy().save(EPOCH);
  const other = join(t.dataDir, 'other-copy');
  mkdirSync(other);
  const otherPlace = folderPlace(other, DEADLINE_MS);
  await stateCopy(otherPlace).save(EPOCH + 1);
  await restoreState(otherPlace, statePlaces(elsewhere()), known());
  const anchor = anchorElsewhere();
  expect(anchor.heldFiles()).toHaveLength(1);
  anchor.close();
});

test('changes during another worker’s takeover do not count, since that worker may already have read the state', async () => {
  const redis = await t.connect('worker');
  const lease = await takeWorkerLease(redis, new Set());
  if (lease === undefined) throw new Error('no lease');
  await keepLease(here(), lease);
  await beginWork(redis, lease);
  let stalls = false;
  let other: WorkerLease | undefined;
  guardAnchor(here(), redis, t.anchor, {
    ...place,
    async replace(name, content) {
      if (stalls && name.includes('manifest')) {
        // The worker's lease runs out, and another worker reads the state.
        await lease.release();
        other = await takeWorkerLease(redis, new Set());
      }
      await place.replace(name, content);
    },
  });
  await t.anchor.safeguard();
  expect((await markedState(redis))?.epoch).toBe(lease.epoch);

  stalls = true;
  hold('held-late', spool('load-late', 'rows'));
  let counts: boolean | undefined;
  const late = t.anchor.safeguard().then(
    () => (counts = true),
    (error: Error) => {
      counts = false;
      expect(error.message).toContain('Another worker has taken over');
    },
  );
  await until(() => other !== undefined, 'the other one');
  if (other === undefined) throw new Error('no lease');
  expect(counts).toBeUndefined();
  expect(await beginWork(redis, other)).toBe(true);
  await late;
  expect(counts).toBe(false);
});

test('a worker whose lease expired during its takeover does not work, since the state may have changed', async () => {
  const redis = await t.connect('worker');
  const lease = await takeWorkerLease(redis, new Set());
  if (lease === undefined) throw new Error('no lease');
  await t.admin.del(keys.workerLock);
  expect(await beginWork(redis, lease)).toBe(false);
  await lease.renew();
  expect(await beginWork(redis, lease)).toBe(false);
  expect(await redis.get(keys.workerAtWork)).toBeNull();
});

test('the key that signs a state is made with the dataset, and never beside another dataset’s log', async () => {
  const redis = await t.connect('worker');
  guardAnchor(here(), redis, t.anchor);
  await t.anchor.safeguard();
  expect(existsSync(auditKeyFile(here()))).toBe(true);
  rmSync(auditKeyFile(here()));
  const log = openLog(join(t.dataDir, 'audit'), key);
  log.append(eventSource().take(1));
  log.close();
  await expect(t.anchor.safeguard()).rejects.toThrow('AUDIT_KEY_FILE');
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
])('a copy that names a file outside the state’s folders (%j) is refused whole', async (name) => {
  hold('held-1', spool('load-abc', 'rows'));
  mkdirSync(join(t.dataDir, 'notices'));
  writeFileSync(join(t.dataDir, 'notices', 'a.json'), '{}');
  await stateCopy().save(EPOCH);
  const folder = join(copyFolder, 'state', numberPath(EPOCH));
  const manifest = readdirSync(folder).find((each) => each.startsWith('manifest-')) ?? '';
  const text = readFileSync(join(folder, manifest), 'utf8');
  writeFileSync(join(folder, manifest), text.replace('"notices/a.json"', JSON.stringify(name)));
  await expect(restoreState(place, statePlaces(elsewhere()), known())).rejects.toThrow(CopyDamaged);
  expect(existsSync(join(t.dataDir, 'outside'))).toBe(false);
  expect(existsSync(join(t.dataDir, 'elsewhere', 'anchor', 'anchor.sqlite'))).toBe(false);
});

test('a file whose name is not UTF-8 keeps nothing else out of the copy', async () => {
  mkdirSync(join(t.dataDir, 'notices'));
  writeFileSync(
    Buffer.concat([Buffer.from(`${join(t.dataDir, 'notices')}/a`), Buffer.from([0xff])]),
    '',
  );
  writeFileSync(join(t.dataDir, 'notices', 'b.json'), '{"id":2}');
  await stateCopy().save(EPOCH);
  await restoreState(place, statePlaces(elsewhere()), known());
  expect(readdirSync(join(t.dataDir, 'elsewhere', 'notices'))).toEqual(['b.json']);
});

test('long-lived objects are written again, so that a bucket may delete the rest by age', async () => {
  hold('held-1', spool('load-abc', 'rows'));
  const carried = openCarried(join(t.dataDir, 'carried.json'));
  await place.replace('files/aa', Buffer.from('of a mailbox'));
  await carried.keep({ databases: [], files: [{ name: 'mesh/a', sha256: 'aa' }] });
  const copy = stateCopy();
  await copy.save(EPOCH);
  const files = join(copyFolder, 'files');
  const old = new Date(0);
  for (const name of readdirSync(files)) utimesSync(join(files, name), old, old);
  const areOld = () => readdirSync(files).map((name) => statSync(join(files, name)).mtimeMs === 0);
  await until(async () => !(await copy.save(EPOCH)), 'nothing to copy');
  expect(areOld()).not.toContain(false);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * 86_400_000 });
  try {
    expect(await copy.save(EPOCH)).toBe(true);
  } finally {
    vi.useRealTimers();
  }
  expect(areOld()).not.toContain(true);
});
