import type { Authority } from '#schemas/authority.ts';
import type { CalendarDate } from '#schemas/calendar.ts';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import type { Coverage } from '#schemas/lookup.ts';
import type { OwnCheck } from '#schemas/status.ts';
import { notFlaggedAdvice } from '#schemas/wording/lookup.ts';
import { COVERAGE } from '#schemas/wording/operations.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import type { Readiness } from '#store/trust/readiness.ts';

export type CoverageLimits = {
  /** An authority is up to date while its data-as-of is younger than this. */
  upToDateMs: number;
  /**
   * Below this share of expected authorities up to date, a negative is could-not-check, by the kind of the
   * dataset. `undefined`: every negative is.
   */
  minimumShare: Record<Dataset['kind'], number | undefined>;
};

const DEMO_MINIMUM_SHARE = 0.5;

/**
 * The limits of the configuration. Live data has no default share: a named Clinical Safety Officer decides
 * when a clinician may be told that nothing is held.
 *
 * @throws {ConfigurationError} if the dataset is live and nobody has decided
 */
export function coverageLimits(
  { UP_TO_DATE_HOURS, MINIMUM_COVERAGE, MINIMUM_COVERAGE_ACCEPTED_BY }: Configuration,
  kind: Dataset['kind'] | undefined,
): CoverageLimits {
  const settings = { MINIMUM_COVERAGE, MINIMUM_COVERAGE_ACCEPTED_BY };
  const missing = Object.entries(settings).filter(([, value]) => value === undefined);
  if (kind === 'live' && missing.length > 0) {
    const names = missing.map(([name]) => name).join(' and ');
    throw new ConfigurationError(
      `${names}: required, because the dataset is live: the share of authorities that must be up to date before a negative is given, and the name of the Clinical Safety Officer who accepted it.`,
    );
  }
  if (kind === 'live' && MINIMUM_COVERAGE === 0) {
    throw new ConfigurationError('MINIMUM_COVERAGE: must be above 0, because the dataset is live.');
  }
  const accepted = MINIMUM_COVERAGE_ACCEPTED_BY !== undefined && MINIMUM_COVERAGE !== 0;
  return {
    upToDateMs: UP_TO_DATE_HOURS * 3_600_000,
    minimumShare: {
      demo: MINIMUM_COVERAGE ?? DEMO_MINIMUM_SHARE,
      // A process may start before its dataset exists, and only later learn that it is live.
      live: accepted ? MINIMUM_COVERAGE : undefined,
    },
  };
}

/** What is known about authorities: those present, and those expected. */
export type Directory = Pick<Readiness, 'authorities' | 'expected' | 'dataset'>;

/** How much of the expected data is current, with the texts that every answer repeats. */
export type CoverageState = {
  coverage: Coverage;
  upToDate: ReadonlySet<string>;
  negativesAllowed: boolean;
  /** `coverage` as JSON, and the part that an audit event holds. */
  json: string;
  eventJson: string;
  /** The advice of a negative as JSON, for a child not known to be under a year old. */
  negativeAdviceJson: string;
};

const CLOCK_TOLERANCE_MS = 5_000;

/**
 * Whether an authority's last data is recent enough to rely on: younger than the limit, and found in the
 * store as it was sent.
 */
export function isUpToDate(authority: Authority, now: number, upToDateMs: number): boolean {
  if (!authority.reconciled || authority.dataAsOf === undefined) return false;
  const age = now - Date.parse(authority.dataAsOf);
  // Data from the future means that a clock is wrong, so its age is unknown.
  return age > -CLOCK_TOLERANCE_MS && age < upToDateMs;
}

function areaOf({ authorities, expected, dataset }: Directory): Coverage['area'] {
  if (expected === undefined) {
    return dataset?.kind === 'demo' ? { name: 'a made-up sample', kind: 'sample' } : undefined;
  }
  const { area: name, kind } = expected;
  if (kind === 'all') return { name, kind };
  const covered = expected.authorities.map(({ code, name }) => ({
    code,
    name: authorities.get(code)?.name ?? name,
  }));
  return { name, kind, authorities: covered.toSorted((a, b) => a.name.localeCompare(b.name)) };
}

/**
 * Coverage of the authorities expected, at `now` in milliseconds: of those on the list, whether they were ever added
 * here or not. A demo without a list expects the authorities that it has. Without any authority, nothing is covered.
 */
export function coverageOf(
  directory: Directory,
  now: number,
  { upToDateMs, minimumShare }: CoverageLimits,
): CoverageState {
  const { authorities, expected: listed, dataset } = directory;
  const upToDate = new Set<string>();
  for (const authority of authorities.values()) {
    if (isUpToDate(authority, now, upToDateMs)) upToDate.add(authority.code);
  }
  const expected = listed?.authorities ?? [...authorities.values()];
  const notUpToDate = expected
    .filter(({ code }) => !upToDate.has(code))
    .map(({ code, name }): Coverage['notUpToDate'][number] => {
      const { name: ownName = name, dataAsOf } = authorities.get(code) ?? {};
      return { code, name: ownName, ...(dataAsOf !== undefined && { since: dataAsOf }) };
    });
  const area = areaOf(directory);
  const count = expected.length - notUpToDate.length;
  const coverage: Coverage = {
    ...(area !== undefined && { area }),
    expected: expected.length,
    upToDate: count,
    complete: area !== undefined && expected.length > 0 && notUpToDate.length === 0,
    notUpToDate,
  };
  const least = dataset && minimumShare[dataset.kind];
  return {
    coverage,
    upToDate,
    negativesAllowed:
      area !== undefined &&
      least !== undefined &&
      expected.length > 0 &&
      count / expected.length >= least,
    json: JSON.stringify(coverage),
    eventJson: JSON.stringify({ expected: expected.length, upToDate: count }),
    negativeAdviceJson: JSON.stringify(notFlaggedAdvice(coverage, undefined, now)),
  };
}

/** The advice of a negative as JSON; only a date of birth makes it differ between children. */
export function negativeAdvice(
  state: CoverageState,
  dateOfBirth: CalendarDate | undefined,
  now: number,
): string {
  return dateOfBirth === undefined
    ? state.negativeAdviceJson
    : JSON.stringify(notFlaggedAdvice(state.coverage, dateOfBirth, now));
}

const RECOMPUTE_AFTER_MS = 1_000;

/** Coverage as of the directory's last poll, computed once for each poll and not for each lookup. */
export function createCoverage(
  readiness: Directory,
  limits: CoverageLimits,
  now: () => number = Date.now,
): () => CoverageState {
  let of: ReadonlyMap<string, Authority> | undefined;
  let at = 0;
  let state: CoverageState | undefined;
  return () => {
    const { authorities } = readiness;
    const moment = now();
    if (
      state === undefined ||
      of !== authorities ||
      moment - at >= RECOMPUTE_AFTER_MS ||
      moment < at
    ) {
      state = coverageOf(readiness, moment, limits);
      of = authorities;
      at = moment;
    }
    return state;
  };
}

/** What `/_status` says about who is expected. Flags are still shown; a negative may not be given. */
export function coverageCheck(directory: Directory, limits: CoverageLimits): OwnCheck {
  const name = 'coverage:expected';
  const { dataset, expected, authorities } = directory;
  if (dataset?.kind === 'live' && expected === undefined) {
    return {
      name,
      ok: false,
      detail: COVERAGE.notSet,
    };
  }
  if (dataset?.kind === 'live' && limits.minimumShare.live === undefined) {
    return {
      name,
      ok: false,
      detail: COVERAGE.becameLive,
    };
  }
  if (expected === undefined) return { name, ok: true, detail: COVERAGE.demo };
  const listed = new Set<string>(expected.authorities.map(({ code }) => code));
  const others = [...authorities.keys()].filter((code) => !listed.has(code));
  return {
    name,
    ok: true,
    detail: COVERAGE.expected(listed.size, expected.area, others),
  };
}

/**
 * What `/_status` says about how many are up to date. Below the minimum share flags are still shown, so the
 * process must stay in use; with nothing loaded no lookup can be answered.
 */
export function shareCheck(
  authorities: ReadonlyMap<string, Authority>,
  { coverage: { area, expected, upToDate }, negativesAllowed }: CoverageState,
): OwnCheck {
  const name = 'coverage:share';
  if (negativesAllowed) return { name, ok: true, detail: COVERAGE.share(upToDate, expected) };
  if ([...authorities.values()].some(({ rows = 0 }) => rows > 0)) {
    // Loading files does not help; `coverage:expected` says what does.
    if (area === undefined) return { name, ok: true, detail: COVERAGE.share(upToDate, expected) };
    return {
      name,
      ok: false,
      detail: COVERAGE.tooFew(upToDate, expected),
    };
  }
  return {
    name,
    ok: false,
    stops: true,
    detail: COVERAGE.nothingHeld(upToDate, expected),
  };
}
