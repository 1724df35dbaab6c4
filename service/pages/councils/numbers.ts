import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { authoritySchema } from '#schemas/authority.ts';
import { parseJson } from '#schemas/json.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { writePrivate } from '../../files/private-file.ts';
import { errorFields, type Log } from '../../telemetry/log.ts';

const councilSchema = authoritySchema
  .pick({
    code: true,
    name: true,
    officeHoursPhone: true,
    officeHours: true,
    emergencyDutyTeamPhone: true,
    emergencyDutyTeamPhoneAsOf: true,
  })
  .partial({ emergencyDutyTeamPhone: true });
/** A council with its public duty numbers; none if it is only expected. */
export type Council = z.infer<typeof councilSchema>;

const knownSchema = z.object({ at: z.int(), councils: z.array(councilSchema) });
/** Councils in the order of their names, and when this was known (milliseconds). */
type KnownCouncils = z.infer<typeof knownSchema>;

export type CouncilNumbers = {
  /** Present or last known; `current` says which. */
  read: () => KnownCouncils & { current: boolean };
  stop: () => void;
};

const KEPT_EVERY_MS = 60_000;
const CURRENT_FOR_MS = 30_000;

function councilsOf({
  authorities,
  expected,
}: Pick<Readiness, 'authorities' | 'expected'>): Council[] {
  const held = [...authorities.values()].map((authority) => councilSchema.parse(authority));
  const others = (expected?.authorities ?? []).filter(({ code }) => !authorities.has(code));
  return [...held, ...others.map((council) => councilSchema.parse(council))].toSorted((a, b) =>
    a.name.localeCompare(b.name, 'en-GB'),
  );
}

/**
 * Councils' numbers for a page that works when nothing else does: those of the directory, which is in memory,
 * or, in a process started without its store, those still in a file.
 */
export async function openCouncilNumbers(
  readiness: Pick<Readiness, 'authorities' | 'expected' | 'authoritiesAt'>,
  path: string,
  log: Log,
): Promise<CouncilNumbers> {
  let known: KnownCouncils = await readFile(path, 'utf8').then(
    (text) => knownSchema.catch({ at: 0, councils: [] }).parse(parseJson(text)),
    () => ({ at: 0, councils: [] }),
  );
  let keptText = '';

  function refresh(): void {
    const { authorities, authoritiesAt: at } = readiness;
    // Another time, not only a later one: a clock that was ahead may have been put right.
    if (authorities.size > 0 && at > 0 && at !== known.at) {
      known = { at, councils: councilsOf(readiness) };
    }
  }

  async function keep(): Promise<void> {
    refresh();
    const text = JSON.stringify(known.councils);
    if (known.councils.length === 0 || text === keptText) return;
    try {
      await writePrivate(path, JSON.stringify(known));
      keptText = text;
    } catch (error) {
      log.warn('Councils’ numbers could not be kept in a file.', errorFields(error));
    }
  }
  const keeping = setInterval(() => void keep(), KEPT_EVERY_MS).unref();
  void keep();

  return {
    read() {
      refresh();
      return { ...known, current: Math.abs(Date.now() - known.at) < CURRENT_FOR_MS };
    },
    stop: () => clearInterval(keeping),
  };
}
