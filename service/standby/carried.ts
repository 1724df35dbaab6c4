import { existsSync, readFileSync } from 'node:fs';
import type { Place } from '../audit/copy/place.ts';
import { writePrivate } from '../files/private-file.ts';
import { type Contents, contentsSchema } from './manifest.ts';
import { filesOf } from './restore-state.ts';
import { pathOf, placedOf, putFile, rootOf, type StatePlaces } from './worker-state.ts';

/**
 * What an earlier worker left in the copy that has no place here: each worker's state includes it again, so
 * that it reaches one with a place for it.
 *
 * @param path in the data folder
 */
export function openCarried(path: string) {
  function read(): Contents {
    if (!existsSync(path)) return { databases: [], files: [] };
    return contentsSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  }
  const keep = (carried: Contents): Promise<void> => writePrivate(path, JSON.stringify(carried));
  return {
    read,
    keep,

    /** What it is, by what its names begin with. */
    roots(): string[] {
      const { databases, files } = read();
      const names = [...databases, ...files].map(({ name }) => rootOf(name));
      return [...new Set(names)].toSorted();
    },

    /**
     * Restores what now has a place here, for instance once a mailbox is set. If its place is taken, all of
     * it stays in the copy.
     *
     * @throws {CopyAway} {CopyDamaged}
     */
    async putHere(place: Place, places: StatePlaces): Promise<void> {
      const { databases, files } = read();
      const placed = placedOf(
        places,
        [...databases, ...files].map(({ name }) => name),
      );
      const isHere = ({ name }: { name: string }): boolean => placed.has(name);
      const here = { databases: databases.filter(isHere), files: files.filter(isHere) };
      const paths = [...here.databases, ...here.files].flatMap(
        ({ name }) => pathOf(places, name) ?? [],
      );
      if (paths.length === 0 || paths.some((path) => existsSync(path))) return;
      for (const file of await filesOf(place, here)) putFile(places, file);
      await keep({
        databases: databases.filter((each) => !isHere(each)),
        files: files.filter((each) => !isHere(each)),
      });
    },
  };
}
