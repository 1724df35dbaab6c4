import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { odsCodeSchema } from '#schemas/authority.ts';
import { type Reconciliation, reconciliationSchema } from '#schemas/uploads/reconciliation.ts';
import { writePrivate } from '../files/private-file.ts';
import type { PreviewOwner } from './previews.ts';

const KEPT_MS = 30 * 60_000;
const SWEPT_EVERY_MS = 5 * 60_000;
/** Comparisons kept for one user; a further one replaces the oldest. */
const OF_A_USER_AT_MOST = 3;

const keptSchema = z.strictObject({
  authority: odsCodeSchema,
  userKey: z.string(),
  reconciliation: reconciliationSchema,
});

const NAME = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([\w-]{43})\.json$/;

/**
 * The differences between a case system and the holdings, while its council looks at them: in a private
 * folder, since they contain NHS numbers, and visible to nobody else. The user is part of the name of a file.
 */
export function createComparisons(folder: string, onProblem: (error: unknown) => void) {
  const pathOf = (id: string, { userKey }: PreviewOwner): string =>
    join(folder, `${id}.${userKey}.json`);

  /** True also for anything saved while the clock was ahead. */
  const isOver = (at: number): boolean => Math.abs(Date.now() - at) >= KEPT_MS;

  async function list(): Promise<{ path: string; userKey: string; at: number }[]> {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const found = names.flatMap((name) => {
      const [, , userKey] = NAME.exec(name) ?? [];
      return userKey === undefined ? [] : [{ path: join(folder, name), userKey }];
    });
    return Promise.all(
      found.map(async (each) => ({
        ...each,
        at: (await stat(each.path).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
  }

  async function sweep(): Promise<void> {
    for (const { path, at } of await list()) {
      if (isOver(at)) await rm(path, { force: true });
    }
  }

  const timer = setInterval(() => void sweep().catch(onProblem), SWEPT_EVERY_MS).unref();

  return {
    /** Removes what was kept for too long: at the start, and then every few minutes. */
    sweep,

    stop: () => clearInterval(timer),

    /** @returns the id by which its owner finds it for half an hour */
    async keep(owner: PreviewOwner, reconciliation: Reconciliation): Promise<string> {
      await sweep();
      const own = (await list()).filter(({ userKey }) => userKey === owner.userKey);
      const over = Math.max(0, own.length - OF_A_USER_AT_MOST + 1);
      for (const { path } of own.toSorted((one, other) => one.at - other.at).slice(0, over)) {
        await rm(path, { force: true });
      }
      const id = randomUUID();
      await writePrivate(pathOf(id, owner), JSON.stringify({ ...owner, reconciliation }));
      return id;
    },

    /** `undefined` if there is none any more, or it is somebody else's. */
    async find(id: string, owner: PreviewOwner): Promise<Reconciliation | undefined> {
      const path = pathOf(id, owner);
      if (!NAME.test(basename(path))) return undefined;
      try {
        if (isOver((await stat(path)).mtimeMs)) return undefined;
        const kept = keptSchema.parse(JSON.parse(await readFile(path, 'utf8')));
        return kept.authority === owner.authority ? kept.reconciliation : undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
  };
}
export type Comparisons = ReturnType<typeof createComparisons>;
