import { readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { FOLDER_PREFIX, isAbsent, Spool } from './spool.ts';

/**
 * Removes spools that no load needs any more: those of processes that died before they applied anything. One
 * that cannot be removed stays, and delays no other and no start.
 *
 * @param needed gives the folders of loads under way and held files
 * @returns how many were removed
 */
export function sweepSpools(spoolDir: string, needed: () => readonly string[]): number {
  let names: string[];
  try {
    names = readdirSync(spoolDir);
  } catch {
    return 0;
  }
  const isNeeded = (name: string): boolean => needed().some((folder) => basename(folder) === name);
  const abandoned = names.filter(
    (name) =>
      name.startsWith(FOLDER_PREFIX) &&
      !isNeeded(name) &&
      isAbandoned(join(spoolDir, name)) &&
      // Its process may have recorded it just before it let go of it.
      !isNeeded(name),
  );
  return abandoned.filter((name) => isRemoved(join(spoolDir, name))).length;
}

function isRemoved(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true });
    return true;
  } catch {
    return false;
  }
}

/** Young folders may belong to a process that has not locked its spool yet. */
const YOUNG_MS = 60_000;

function isAbandoned(folder: string): boolean {
  try {
    if (Math.abs(Date.now() - statSync(folder).mtimeMs) < YOUNG_MS) return false;
    Spool.open(folder).close();
    return true;
  } catch (error) {
    return isAbsent(error);
  }
}
