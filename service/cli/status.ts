import type { Authority } from '#schemas/authority.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { watchStore } from '#store/gate.ts';
import { createStore } from '#store/store.ts';
import { openAnchor } from '../data-folder.ts';
import { isUpToDate } from '../lookup/coverage.ts';
import { runningRedis } from './store.ts';

const REDIS_ANSWERS_WITHIN_MS = 3_000;
const OPENS_WITHIN_MS = 3_000;
const HOUR_MS = 3_600_000;

type Line = {
  code: string;
  name: string;
  lastSequence: number | null;
  dataAsOf: string | null;
  ageHours: number | null;
  rows: number;
  upToDate: boolean;
  reconciled: boolean;
};

function lineOf(authority: Authority, now: number, upToDateMs: number): Line {
  const { code, name, sequence, dataAsOf, rows, reconciled } = authority;
  return {
    code,
    name,
    lastSequence: sequence ?? null,
    dataAsOf: dataAsOf ?? null,
    ageHours:
      dataAsOf === undefined
        ? null
        : Math.round((now - Date.parse(dataAsOf)) / (HOUR_MS / 10)) / 10,
    rows: rows ?? 0,
    upToDate: isUpToDate(authority, now, upToDateMs),
    reconciled,
  };
}

function remark({ upToDate, reconciled, dataAsOf }: Line): string {
  if (upToDate) return 'up to date';
  if (dataAsOf === null) return 'NOT UP TO DATE: never loaded';
  return reconciled
    ? 'NOT UP TO DATE: load its newest file'
    : 'NOT UP TO DATE: the store differs from what was loaded, load its newest file';
}

function printTable(lines: readonly Line[]): void {
  const cells = lines.map((line) => [
    line.code,
    line.name,
    line.lastSequence === null ? '-' : String(line.lastSequence),
    line.dataAsOf ?? '-',
    line.ageHours === null ? '-' : `${line.ageHours} h`,
    String(line.rows),
    remark(line),
  ]);
  const table = [['CODE', 'AUTHORITY', 'FILE', 'DATA AS OF', 'AGE', 'ROWS', ''], ...cells];
  const widths = table[0]?.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of table) {
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths?.[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}

/** `cp-flags status`: is the store trusted, and how fresh is each authority. True if lookups are answered. */
export async function status(
  configuration: Configuration,
  { json = false }: { json?: boolean },
): Promise<boolean> {
  const redis = await runningRedis(configuration);
  const gate = watchStore(redis.connect('lookup'));
  const anchor = openAnchor(configuration);
  try {
    const store = createStore(redis.connect('loader'), anchor);
    await redis.ready(REDIS_ANSWERS_WITHIN_MS);
    await gate.whenOpen(OPENS_WITHIN_MS);
    const { ready } = gate;
    const checks = gate.checks();
    const upToDateMs = configuration.UP_TO_DATE_HOURS * HOUR_MS;
    const now = Date.now();
    const authorities = (await store.authorities()).map((one) => lineOf(one, now, upToDateMs));
    const dataset = (await store.dataset()) ?? null;
    if (json) {
      console.log(JSON.stringify({ ready, dataset, checks, authorities }, null, 2));
      return ready;
    }
    const kind = dataset === null ? 'no dataset' : `a ${dataset.kind} dataset`;
    console.log(`Store: ${kind}. Lookups ${ready ? 'are' : 'are NOT'} answered.`);
    for (const { ok, detail, since } of checks)
      if (!ok) console.log(`  ${detail} (since ${since})`);
    if (authorities.length === 0) console.log('No authority is known here yet.');
    else printTable(authorities);
    return ready;
  } finally {
    await gate.stop();
    anchor.close();
    await redis.stop();
  }
}
