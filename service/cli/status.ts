import type { Command } from 'commander';
import { type HeldFile, listHeldFiles } from '#loaders/upkeep/held-files.ts';
import { type Authority, lastFileNumber } from '#schemas/authority.ts';
import type { Configuration } from '#schemas/configuration.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { FRESHNESS } from '#schemas/wording/operator.ts';
import { RESTRICTION } from '#schemas/wording/restrictions.ts';
import { READINESS } from '#schemas/wording/store.ts';
import { sortableTimeText, zonedTimeText } from '#schemas/wording/times.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { type HostPort, placeOf } from '#store/connection/address.ts';
import { lacksRights } from '#store/connection/connection.ts';
import { createStore, type Store } from '#store/store.ts';
import { type ReadinessCheck, watchStore } from '#store/trust/readiness.ts';
import { auditFolder, openAnchor } from '../files/data-folder.ts';
import { datasetProblem } from '../files/served-dataset.ts';
import { isUpToDate } from '../lookup/coverage.ts';
import { meshStatus } from '../mesh/mesh-status.ts';
import { notificationsStatus } from '../notifications/notifications-status.ts';
import { auditStatus, printAuditStatus } from './audit-status.ts';
import { printNotificationsStatus } from './notifications.ts';
import { printMeshStatus } from './print-mesh-status.ts';
import { runningRedis } from './store.ts';

const REDIS_ANSWERS_WITHIN_MS = 3_000;
const OPENS_WITHIN_MS = 3_000;
const HOUR_MS = 3_600_000;

/** Files over which the share of accepted records is measured. */
const RECENT_FILES = 10;

type Line = {
  code: string;
  name: string;
  lastSequence: number | null;
  dataAsOf: string | null;
  ageHours: number | null;
  rows: number;
  upToDate: boolean;
  reconciled: boolean;
  /** The share of accepted records in its last ten files, from 0 to 1; `null` also if the Redis user may not read it. */
  acceptedShare: number | null;
  /** Numbers of files held in part or whole. */
  held: number[];
  /** Numbers of files with records that wait to be traced. */
  untraced: number[];
};

/** The share of accepted records in its last files that used up a number. */
async function acceptedShare(
  store: Store,
  { code, sequence }: Authority,
): Promise<Line['acceptedShare']> {
  if (sequence === undefined) return null;
  const numbers = Array.from({ length: RECENT_FILES }, (_, i) => sequence - i).filter(
    (number) => number >= 0,
  );
  const files = await Promise.all(numbers.map((number) => store.fileOf(code, number))).catch(
    (error: unknown) => {
      if (lacksRights(error)) return [];
      throw error;
    },
  );
  let records = 0;
  let accepted = 0;
  for (const file of files) {
    if (file === undefined) continue;
    const stored: unknown = JSON.parse(file.acknowledgement);
    const { data } = countedSchema.safeParse(stored);
    records += data?.counts.records ?? 0;
    accepted += data?.counts.accepted ?? 0;
  }
  return records === 0 ? null : accepted / records;
}

const countedSchema = acknowledgementSchema.pick({ counts: true }).strip();

const numbersOf = (files: readonly HeldFile[]): number[] => files.map(({ number }) => number);

async function lineOf(
  store: Store,
  authority: Authority,
  heldFiles: readonly HeldFile[],
  now: number,
  upToDateMs: number,
): Promise<Line> {
  const { code, name, dataAsOf, rows, reconciled } = authority;
  return {
    code,
    name,
    lastSequence: lastFileNumber(authority) ?? null,
    dataAsOf: dataAsOf ?? null,
    ageHours:
      dataAsOf === undefined
        ? null
        : Math.round((now - Date.parse(dataAsOf)) / (HOUR_MS / 10)) / 10,
    rows: rows ?? 0,
    upToDate: isUpToDate(authority, now, upToDateMs),
    reconciled,
    acceptedShare: await acceptedShare(store, authority),
    held: numbersOf(heldFiles.filter(({ untraced }) => untraced === undefined)),
    untraced: numbersOf(heldFiles.filter(({ untraced }) => untraced !== undefined)),
  };
}

function remark(line: Line): string {
  const { held, untraced } = line;
  const waits =
    held.length === 0
      ? ''
      : `; held: file ${held.join(', ')} (page Held files, or cp-flags release --list)`;
  const waitsForPds =
    untraced.length === 0
      ? ''
      : `; records of file ${untraced.join(', ')} wait to be traced, and are loaded automatically if that can be done in time`;
  return `${freshness(line)}${waits}${waitsForPds}`;
}

function freshness({ upToDate, reconciled, dataAsOf }: Line): string {
  if (upToDate) return 'up to date';
  if (dataAsOf === null) return 'NOT UP TO DATE: never loaded';
  return reconciled
    ? 'NOT UP TO DATE: load its newest file'
    : 'NOT UP TO DATE: the store differs from what was loaded, see store:cut-short in /_status of the worker';
}

function printTable(lines: readonly Line[]): void {
  const cells = lines.map((line) => [
    line.code,
    line.name,
    line.lastSequence === null ? '-' : String(line.lastSequence),
    line.dataAsOf === null ? '-' : sortableTimeText(line.dataAsOf),
    line.ageHours === null ? '-' : `${line.ageHours} h`,
    String(line.rows),
    line.acceptedShare === null ? '-' : `${Math.floor(line.acceptedShare * 1000) / 10} %`,
    remark(line),
  ]);
  const table = [
    ['CODE', 'AUTHORITY', 'FILE', 'DATA AS OF', 'AGE', 'ROWS', 'ACCEPTED', ''],
    ...cells,
  ];
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

/** The expected authorities: how many, which of them are unknown here, and which authorities here are not expected. */
function printExpected(
  expected: ExpectedAuthorities | null,
  lines: readonly Line[],
  kind: Dataset['kind'] | undefined,
): void {
  if (expected === null) {
    if (kind === 'live') {
      console.log(
        'Expected: NOT SET, so no negative is given. Set it on the page Councils expected, or with cp-flags authority expect.',
      );
    }
    return;
  }
  const { area, authorities } = expected;
  const known = new Set(lines.map(({ code }) => code));
  const listed = new Set<string>(authorities.map(({ code }) => code));
  const upToDate = lines.filter((line) => listed.has(line.code) && line.upToDate).length;
  const of = expected.kind === 'all' ? area : `a pilot in ${area}`;
  console.log(`Expected: ${authorities.length} (${of}), ${upToDate} up to date.`);
  const show = (codes: string[], what: string): void => {
    if (codes.length > 0) console.log(`  ${codes.length} ${what}: ${codes.join(', ')}`);
  };
  show(
    [...listed].filter((code) => !known.has(code)),
    'not known here, so not up to date',
  );
  show(
    [...known].filter((code) => !listed.has(code)),
    'known here and not expected',
  );
}

/** Whether a worker's user asks. It may not read what only lookups need to read, and that is no fault. */
const isWorkersUser = ({ REDIS_URL }: Configuration): boolean =>
  REDIS_URL !== undefined && placeOf(REDIS_URL).username === 'cpf-worker';

/** The checks that fail. A check that was not made adds nothing to the reason why. */
function printChecks(checks: readonly ReadinessCheck[]): void {
  const failed = checks.filter(({ ok }) => !ok);
  const made = failed.filter(({ detail }) => detail !== READINESS.notChecked);
  for (const { detail, since } of made.length > 0 ? made : failed.slice(0, 1)) {
    console.log(`  ${detail} (since ${zonedTimeText(since)})`);
  }
}

/**
 * `cp-flags status`: whether the store is trusted, and how fresh each authority is. True if lookups may go to the
 * store. Whether a process answers them also depends on what only that process knows, such as issuers' keys.
 */
export async function status(
  configuration: Configuration,
  { json = false }: { json?: boolean },
): Promise<boolean> {
  const redis = await runningRedis(configuration);
  const anchor = openAnchor(configuration);
  const quiet = { unacknowledged: true };
  const { replicas: count, sentinels } = redis;
  const readiness = watchStore(redis.connect('lookup', quiet), {
    ...(count > 0 && {
      replicas: {
        count,
        probe: redis.connect('lookup', quiet),
        connectTo: (server: HostPort) => redis.connectTo('lookup', server),
      },
    }),
    ...(sentinels !== undefined && { sentinels }),
    answersLookups: !isWorkersUser(configuration),
    datasetProblem: (held) => datasetProblem(configuration, anchor, held),
  });
  try {
    const store = createStore(redis.connect('loader', quiet), anchor);
    const worker = redis.connect('worker', quiet);
    await redis.ready(REDIS_ANSWERS_WITHIN_MS);
    await readiness.whenOpen(OPENS_WITHIN_MS);
    const { ready } = readiness;
    const checks = readiness.checks();
    const upToDateMs = configuration.UP_TO_DATE_HOURS * HOUR_MS;
    const now = Date.now();
    const heldFiles = listHeldFiles(anchor);
    const authorities = await Promise.all(
      (await store.authorities()).map((one) => {
        const held = heldFiles.filter(({ authority }) => authority === one.code);
        return lineOf(store, one, held, now, upToDateMs);
      }),
    );
    const dataset = (await store.dataset()) ?? null;
    const expected = (await store.expected()) ?? null;
    const audit = await auditStatus(configuration, worker, now);
    const notifications = notificationsStatus(auditFolder(configuration), now);
    const mesh = meshStatus(configuration, now);
    const actsInDoubt = anchor.actsInDoubt();
    if (json) {
      const all = {
        ready,
        dataset,
        checks,
        audit,
        actsInDoubt,
        notifications,
        mesh,
        expected,
        authorities,
      };
      console.log(JSON.stringify(all, null, 2));
      return ready;
    }
    const kind =
      dataset === null ? 'no dataset' : `a ${dataset.kind} dataset (DATASET_ID=${dataset.id})`;
    console.log(
      ready
        ? `Store: ${kind}. It is ready for lookups. GET /_status of a process says whether it answers them.`
        : `Store: ${kind}. It is NOT ready for lookups.`,
    );
    printChecks(checks);
    if (audit.isElsewhere) console.log(`Audit: ${audit.detail}`);
    else printAuditStatus(audit);
    for (const { authority, act } of actsInDoubt) {
      console.log(`PROBLEM: ${RESTRICTION.inDoubt(authority, act)}`);
    }
    if (!audit.isElsewhere) printNotificationsStatus(notifications);
    if (mesh !== undefined) printMeshStatus(mesh);
    printExpected(expected, authorities, dataset?.kind);
    if (authorities.length === 0) console.log('No authority is known here yet.');
    else {
      if (!ready) console.log(FRESHNESS.notAnswered);
      printTable(authorities);
    }
    return ready;
  } finally {
    await readiness.stop();
    anchor.close();
    await redis.stop();
  }
}

export function addStatusCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('status')
    .description('Show whether the store can be trusted, and how fresh each authority’s data is.')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
Exit code: 0 the store is ready for lookups, 1 it is not (the reason is printed). Whether a
process answers them also depends on issuers’ keys, for instance: see its /_status.

Example:
  cp-flags status
`,
    )
    .action(async (options: { json?: boolean }) => {
      process.exitCode = (await status(configuration(), options)) ? 0 : 1;
    });
}
