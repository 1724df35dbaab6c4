import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Configuration } from '#schemas/configuration.ts';
import { syncFolderNow } from '#store/files/whole-file.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { CommitFile } from '../audit/log/commit.ts';
import { writeDurably } from '../audit/log/log-folder.ts';
import {
  acknowledgementsFolder,
  anchorFolder,
  auditCasesFile,
  auditFolder,
  meshFolder,
  noticesFolder,
  numberKeyFile,
  privacyOutbox,
  spoolFolder,
} from '../files/data-folder.ts';

/** A file of the worker's state, by a name that is the same on every machine; the name used by earlier versions. */
export type StateFile = { name: string; path: string; former?: string };

/** Files that belong to a running process, or can be rebuilt. */
const NOT_STATE = /(?:^|\/)(?:lock|[\w-]+\.lock|plans|\.[^/]*)$|-journal$/;

const SPOOL = 'spool';
/** The replacement for invalid UTF-8 in a name: nobody finds the file by such a name, and it is not ours. */
const NOT_UTF8 = '\ufffd';

/** Where the worker's state is, besides the log itself. */
export type StatePlaces = {
  /** Files of SQLite, by name. */
  databases: StateFile[];
  /** Folders of files that do not change once written, by name. */
  folders: StateFile[];
  /** Single files like those. */
  files: StateFile[];
  spools: string;
};

const DATABASES = {
  anchor: 'anchor/anchor.sqlite',
  sealing: 'audit/sealing.sqlite',
  notifications: 'audit/notifications.sqlite',
} as const;

export function statePlaces(configuration: Configuration): StatePlaces {
  const { MESH_MAILBOX } = configuration;
  const ofMesh = MESH_MAILBOX === undefined ? undefined : meshFolder(configuration, MESH_MAILBOX);
  // Another worker may have another mailbox.
  const mesh = `mesh.${MESH_MAILBOX?.toLowerCase()}`;
  return {
    databases: [
      { name: DATABASES.anchor, path: join(anchorFolder(configuration), 'anchor.sqlite') },
      { name: DATABASES.sealing, path: join(auditFolder(configuration), 'sealing.sqlite') },
      {
        name: DATABASES.notifications,
        path: join(auditFolder(configuration), 'notifications.sqlite'),
      },
      { name: 'audit-cases.sqlite', path: auditCasesFile(configuration) },
      ...(ofMesh === undefined
        ? []
        : [
            {
              name: `${mesh}/mesh.sqlite`,
              path: join(ofMesh, 'mesh.sqlite'),
              former: 'mesh.sqlite',
            },
          ]),
    ],
    folders: [
      { name: 'notices', path: noticesFolder(configuration) },
      { name: 'acknowledgements', path: acknowledgementsFolder(configuration) },
      { name: 'privacy-officer', path: privacyOutbox(configuration) },
      ...(ofMesh === undefined ? [] : [{ name: mesh, path: ofMesh, former: 'mesh' }]),
    ],
    files: [{ name: 'number-hash.key', path: numberKeyFile(configuration) }],
    spools: spoolFolder(configuration),
  };
}

const isAbsent = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code));

function filesBelow(folder: string, name: string): StateFile[] {
  let entries: ReturnType<typeof readFolder>;
  try {
    entries = readFolder(folder);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, name: `${name}/${relative(folder, path)}` }))
    .filter(
      ({ name: file }) =>
        !NOT_STATE.test(file) && !file.endsWith('.sqlite') && !file.includes(NOT_UTF8),
    );
}

const readFolder = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true });

/**
 * The files of the state as they are now, those of SQLite first. Spools are those that the anchor needs.
 *
 * @param anchored the folders of spools that are needed
 */
export function unchangingFiles(places: StatePlaces, anchored: readonly string[]): StateFile[] {
  return [
    ...places.folders.flatMap(({ name, path }) => filesBelow(path, name)),
    ...places.files.filter(({ path }) => existsSync(path)),
    ...anchored
      .filter((folder) => dirname(folder) === places.spools)
      .flatMap((folder) => filesBelow(folder, `${SPOOL}/${basename(folder)}`)),
  ];
}

/** Whether a name stays below its folder, so that no copy writes elsewhere. */
export const isStateName = (name: string): boolean =>
  name.split('/').every((part) => !['', '.', '..'].includes(part) && !part.includes('\0'));

/**
 * Where a file with that name belongs here, and whether the name is an earlier version's; `undefined` if it
 * has no place.
 */
function placeOf(
  { databases, files, folders, spools }: StatePlaces,
  name: string,
): { path: string; isFormer: boolean } | undefined {
  const isOf = (each: StateFile, wanted: string): boolean =>
    each.name === wanted || each.former === wanted;
  const single = [...databases, ...files].find((each) => isOf(each, name));
  if (single !== undefined) return { path: single.path, isFormer: single.name !== name };
  const [root = '', ...rest] = name.split('/');
  if (rest.length === 0) return undefined;
  if (root === SPOOL) {
    return rest.length === 2 ? { path: join(spools, ...rest), isFormer: false } : undefined;
  }
  const folder = folders.find((each) => isOf(each, root));
  return folder && { path: join(folder.path, ...rest), isFormer: folder.name !== root };
}

/** Where a file with that name belongs here; `undefined` if it has no place. */
export const pathOf = (places: StatePlaces, name: string): string | undefined =>
  placeOf(places, name)?.path;

/**
 * Which of these names have a place here. One given by an earlier version has none beside this version's: it
 * then belongs to an earlier worker.
 */
export function placedOf(places: StatePlaces, names: readonly string[]): Set<string> {
  const found = names.flatMap((name) => {
    const placed = placeOf(places, name);
    return placed === undefined ? [] : { name, ...placed };
  });
  const { folders } = places;
  const isNamed = folders.some(
    ({ name, former }) => former !== undefined && found.some((each) => rootOf(each.name) === name),
  );
  return new Set(found.flatMap(({ name, isFormer }) => (isFormer && isNamed ? [] : name)));
}

/** What a name begins with: the folder, or the file itself. */
export const rootOf = (name: string): string => name.split('/', 1)[0] ?? '';

/** A mark that changes with a file's content; `undefined` if the file does not exist. */
export function signatureOf(path: string): string | undefined {
  try {
    const { mtimeMs, ctimeMs, size, ino } = lstatSync(path);
    return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** An SQLite file at the end of a transaction, compressed. Others may write to it meanwhile. */
export function packDatabase(path: string, scratch: string): Buffer {
  rmSync(scratch, { force: true });
  const db = new DatabaseSync(path, { timeout: 5_000 });
  try {
    db.prepare('VACUUM INTO ?').run(scratch);
  } finally {
    db.close();
  }
  try {
    return gzipSync(readFileSync(scratch), { level: 1 });
  } finally {
    rmSync(scratch, { force: true });
  }
}

export const unpackDatabase = (packed: Buffer): Buffer => gunzipSync(packed);

/** A restored file: its name and contents. */
export type Restored = { name: string; content: Buffer };

/**
 * Replaces everything here with the state, so that this machine's worker continues where another one stopped.
 * The log itself is not touched; what belongs to it is added.
 */
export function putState(places: StatePlaces, restored: readonly Restored[]): void {
  const found = new Map(restored.map((file) => [file.name, file.content]));
  for (const { name, path } of places.folders) {
    for (const file of filesBelow(path, name)) rmSync(file.path, { force: true });
  }
  rmSync(places.spools, { recursive: true, force: true });
  for (const { name, path } of places.databases) {
    if (name === DATABASES.sealing) continue;
    for (const each of [path, `${path}-journal`]) rmSync(each, { force: true });
  }
  for (const file of restored) {
    if (file.name !== DATABASES.sealing) putFile(places, file);
  }
  const anchored = places.databases.find(({ name }) => name === DATABASES.anchor);
  if (anchored !== undefined && found.has(DATABASES.anchor)) moveSpools(anchored.path, places);
  const sealing = places.databases.find(({ name }) => name === DATABASES.sealing);
  const ofLog = found.get(DATABASES.sealing);
  if (sealing !== undefined && ofLog !== undefined) addToLog(sealing.path, ofLog);
}

/** Puts one file into its place here. */
export function putFile(places: StatePlaces, { name, content }: Restored): void {
  const path = pathOf(places, name);
  if (path !== undefined) put(path, content);
}

function put(path: string, content: Buffer): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeDurably(dirname(path), [{ path: basename(path), content }]);
}

/** The spools are where this machine has them. */
function moveSpools(path: string, { spools }: StatePlaces): void {
  const anchor = Anchor.open(dirname(path));
  try {
    for (const folder of anchor.moveSpools(spools)) {
      // Its process is gone; the next one to open it locks this.
      if (existsSync(folder)) put(join(folder, 'lock'), Buffer.alloc(0));
    }
  } finally {
    anchor.close();
  }
}

/** Holds, accepted gaps and the like, which belong to the log and are not in its entries. */
function addToLog(path: string, content: Buffer): void {
  if (!existsSync(path)) return;
  const beside = `${path}.restored`;
  put(beside, content);
  try {
    CommitFile.addFrom(dirname(path), beside);
  } finally {
    rmSync(beside, { force: true });
    syncFolderNow(dirname(path));
  }
}
