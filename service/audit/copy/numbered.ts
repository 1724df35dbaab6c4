import type { Place } from './place.ts';

/** Enough for every integer that TypeScript represents exactly, less the last digit. */
const GROUPS = 5;
const DIGITS = 3;

/**
 * The path of a number below a folder, in groups of three digits, so that no folder has more than a thousand
 * entries.
 */
export const numberPath = (number: number): string =>
  String(number)
    .padStart(GROUPS * DIGITS, '0')
    .match(/\d{3}/g)
    ?.join('/') ?? '';

const NAME = /^\d{3}$/;
const lowestOf = (groups: string): number => Number(groups.padEnd(GROUPS * DIGITS, '0'));

/** The numbers of a folder that are below `limit`, lowest first. */
export function numbersBelow(place: Place, folder: string, limit: number): AsyncGenerator<number> {
  async function* below(path: string, groups: string): AsyncGenerator<number> {
    if (groups.length === GROUPS * DIGITS) return void (yield Number(groups));
    const names = (await place.list(path)).filter((name) => NAME.test(name));
    for (const name of names.toSorted()) {
      if (lowestOf(`${groups}${name}`) >= limit) return;
      yield* below(`${path}/${name}`, `${groups}${name}`);
    }
  }
  return below(folder, '');
}

/** The highest number in a folder up to `atMost`; `undefined` if there is none. */
export async function highest(
  place: Place,
  folder: string,
  atMost = Number.MAX_SAFE_INTEGER,
): Promise<number | undefined> {
  async function below(path: string, groups: string, left: number): Promise<number | undefined> {
    if (left === 0) return Number(groups);
    const names = (await place.list(path)).filter((name) => NAME.test(name));
    for (const name of names.toSorted().toReversed()) {
      if (lowestOf(`${groups}${name}`) > atMost) continue;
      const found = await below(`${path}/${name}`, `${groups}${name}`, left - 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return below(folder, '', GROUPS);
}
