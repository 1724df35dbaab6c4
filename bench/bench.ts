// One file, since its scenarios share the service that they load and the figures by which they are judged.

import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pin, slow } from './confine.ts';
import { type Environment, startEnvironment } from './environment.ts';
import { findK6, type K6Run, NoK6, runK6 } from './k6.ts';
import { machine } from './machine.ts';
import { type Nation, nationOf } from './nation.ts';
import { percentile } from './percentile.ts';
import { root } from './processes.ts';
import { type Fact, page, type Run } from './report.ts';
import { sampleProcesses } from './sampler.ts';
import { TAIL_PROBE, traceTail } from './tail.ts';

/**
 * `npm run bench`: k6 against a service of separate processes with a national data set. Exits with 1 if a
 * threshold is missed or a run is void.
 */

const SCENARIOS = {
  smoke: 'does it all work? ten seconds, few requests',
  steady: 'an ordinary day: 1,000 lookups a second for a minute',
  knee: 'searches for the highest rate that holds its 99th percentile',
  spike: 'five times as many from one second to the next',
  overload: 'three times the knee: as many answers as before, the rest refused at once',
  soak: 'half an hour, or --duration',
  nightly: "153 authorities' uploads during steady load",
  fault: 'Redis paused, then killed, during steady load',
} as const;
type Scenario = keyof typeof SCENARIOS;

const HELP = `npm run bench -- SCENARIO... [options]

${Object.entries(SCENARIOS)
  .map(([name, what]) => `  ${name.padEnd(12)} ${what}`)
  .join('\n')}

  --plans 230000       of the country loaded (smoke: 20,000)
  --rate               lookups a second
  --duration           60s, 30m
  --p99                milliseconds that the knee must hold. Default 25
  --lookups 1          lookup processes
  --out reports        where the reports go, one HTML and one JSON a scenario`;

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    plans: { type: 'string' },
    rate: { type: 'string' },
    duration: { type: 'string' },
    p99: { type: 'string', default: '25' },
    lookups: { type: 'string', default: '1' },
    out: { type: 'string', default: join(root, 'reports') },
    help: { type: 'boolean', default: false },
  },
});
const isScenario = (name: string): name is Scenario => Object.hasOwn(SCENARIOS, name);
const unknown = positionals.filter((name) => !isScenario(name));
if (given.help || positionals.length === 0 || unknown.length > 0) {
  if (unknown.length > 0) console.error(`There is no scenario ${unknown.join(', ')}.\n`);
  console.log(HELP);
  process.exit(given.help ? 0 : 2);
}

const KNEE_STARTS_AT = 500;
const KNEE_GROWS_BY = 1.5;
const KNEE_FOUND_WITHIN = 1.1;
const STEP_SECONDS = 8;
const OVERLOAD_TIMES = 3;
const GOODPUT_SHARE = 0.9;
/** The share of one processor that the whole product may use. */
const OVERLOADED_SHARE = 0.25;
/** On a machine made slow. Above this, lookups have queued up. */
const OVERLOAD_P99_MS = 250;
const NIGHTLY_OVER_QUIET = 2;
const UPLOADS_AT_ONCE = 4;
/** Traces cost time, so they are a separate run. */
const TRACED_FOR = '20s';
const MAX_WAIT_S = 60;

const on = machine();
/** The promise: 3 ms plus three times what the disk takes to keep 4 KiB. */
const p99LimitMs = 3 + (3 * on.fsync.p99Microseconds) / 1000;

type Options = {
  processor?: number;
  during?: (startedAt: number) => Promise<void>;
};

/** Runs a script against an environment, watching what its processes use. */
async function run(
  script: string,
  title: string,
  environment: Environment,
  settings: Record<string, string>,
  { processor, during }: Options = {},
): Promise<Run> {
  let k6 = 0;
  const sampler = sampleProcesses(async () => ({
    ...(await environment.pids()),
    ...(k6 !== 0 && { k6 }),
  }));
  const working = during?.(Date.now());
  const outcome = await runK6(
    script,
    {
      BASE_URL: environment.baseUrls.join(),
      TOKEN: environment.tokens.join(),
      NUMBERS_FILE: environment.numbersFile,
      ...(given.rate !== undefined && { RATE: given.rate }),
      ...(given.duration !== undefined && { DURATION: given.duration }),
      ...settings,
    },
    { ...(processor !== undefined && { processor }), onStart: (pid) => (k6 = pid) },
  );
  await working;
  return { title, settings, k6: outcome, used: sampler.stop(), usedFrom: sampler.startedAt };
}

const answeredPerSecond = ({ summary }: K6Run): number =>
  summary['lookups_answered']?.values['rate'] ?? 0;

/** The highest rate that holds, to a tenth, and the most answered in a second at any rate; every step is kept. */
async function searchKnee(
  environment: Environment,
  p99Ms: number,
  startAt: number,
  options: Options & { attempts?: number },
): Promise<{ knee: number; peak: number; steps: Run[] }> {
  const steps: Run[] = [];
  let held = 0;
  let peak = 0;
  let failed = Number.POSITIVE_INFINITY;
  let rate = startAt;
  while (failed / Math.max(held, 1) > KNEE_FOUND_WITHIN && rate >= 10) {
    const settings = {
      RATE: String(Math.round(rate)),
      DURATION: `${STEP_SECONDS}s`,
      P99_MS: String(p99Ms),
    };
    console.log(`${Math.round(rate)} a second:`);
    let holds = false;
    for (let attempt = 0; attempt < (options.attempts ?? 1) && !holds; attempt++) {
      const step = await run(
        'knee',
        `${Math.round(rate)} a second`,
        environment,
        settings,
        options,
      );
      steps.push(step);
      peak = Math.max(peak, answeredPerSecond(step.k6));
      const refused = step.k6.summary['lookups_refused']?.values['count'] ?? 0;
      holds = step.k6.met && !step.k6.isVoid && refused === 0;
    }
    if (holds) held = rate;
    else failed = rate;
    rate = failed === Number.POSITIVE_INFINITY ? held * KNEE_GROWS_BY : (held + failed) / 2;
  }
  return { knee: Math.round(held), peak, steps };
}

type Outcome = { runs: Run[]; facts: Fact[] };

const measured = (what: string, value: string, met?: boolean): Fact => ({
  what,
  value,
  ...(met !== undefined && { met }),
});

const scenarios: Record<Scenario, (environment: Environment, nation: Nation) => Promise<Outcome>> =
  {
    smoke: async (environment) => ({
      runs: [await run('smoke', 'smoke', environment, {})],
      facts: [],
    }),
    async steady(environment) {
      const settings = { P99_MS: p99LimitMs.toFixed(2) };
      const warm = { ...settings, RATE: '500', DURATION: '5s', P99_MS: '10000' };
      await run('steady', 'warming up', environment, warm);
      const steady = await run('steady', 'steady', environment, settings);
      const p99 = steady.k6.summary['lookup_answered_ms']?.values['p(99)'] ?? 0;
      const resident = Math.max(
        ...steady.used.map(({ residentMib }) => residentMib['lookup'] ?? 0),
      );
      const { lookup = 0, redis = 0 } = await environment.pids();
      const trace = traceTail({ lookup, redis }, environment.tailFile);
      const traced = { ...warm, RATE: given.rate ?? '1000', DURATION: TRACED_FOR };
      await run('steady', 'traced', environment, traced);
      return {
        runs: [steady],
        facts: [
          ...(await trace.end()),
          measured(
            'p99, at most 3 ms and three times the p99 of fdatasync',
            `${p99.toFixed(2)} ms of ${p99LimitMs.toFixed(2)} ms`,
            p99 <= p99LimitMs,
          ),
          measured(
            'memory of a lookup process, at most 160 MiB resident',
            `${resident.toFixed(0)} MiB`,
            resident < 160,
          ),
        ],
      };
    },
    async knee(environment) {
      const { knee, steps } = await searchKnee(
        environment,
        Number(given.p99),
        Number(given.rate ?? KNEE_STARTS_AT),
        {},
      );
      return {
        runs: steps,
        facts: [
          measured(
            `knee: the highest rate with p99 under ${given.p99} ms, the generator on the same machine`,
            `${knee} a second`,
            knee > 0,
          ),
        ],
      };
    },
    spike: async (environment) => ({
      runs: [await run('spike', 'spike', environment, {})],
      facts: [],
    }),
    async overload(environment) {
      const pids = Object.values(await environment.pids());
      pin(pids, 0);
      const slowed = slow(pids, OVERLOADED_SHARE);
      if (slowed === undefined) {
        console.error(
          'This machine lets nobody slow the service down (no cgroup can be written), so that one generator may not be able to overload it; the run may be void.',
        );
      }
      try {
        const apart = { processor: 1 };
        const warm = { RATE: '200', DURATION: '15s', P99_MS: '10000' };
        await run('knee', 'warming up', environment, warm, apart);
        const { knee, peak, steps } = await searchKnee(environment, OVERLOAD_P99_MS, 600, {
          ...apart,
          // A slow machine's noise is slow too.
          attempts: 2,
        });
        const rate = OVERLOAD_TIMES * knee;
        const before = Math.min(peak, rate);
        const settings = {
          RATE: String(rate),
          GOODPUT: (GOODPUT_SHARE * before).toFixed(0),
          USERS: '1500',
        };
        console.log(`${settings.RATE} a second, three times the knee:`);
        const overload = await run('overload', 'overload', environment, settings, apart);
        const share = answeredPerSecond(overload.k6) / before;
        const refused = overload.k6.summary['lookup_refused_ms']?.values ?? {};
        return {
          runs: [overload, ...steps.filter(({ k6 }) => k6.met).slice(-1)],
          facts: [
            measured(
              `knee (p99 under ${OVERLOAD_P99_MS} ms; the whole service on a quarter of one processor, k6 on another one)`,
              `${knee} a second`,
            ),
            measured(
              'answers at three times the knee, at least 90 % of the most at any rate before',
              `${(100 * share).toFixed(0)} % of ${before.toFixed(0)} a second`,
              share >= GOODPUT_SHARE,
            ),
            measured(
              'refusals (503, Retry-After, checked: false)',
              `${refused['count'] ?? 0}, p50 ${(refused['med'] ?? 0).toFixed(0)} ms, p99 ${(refused['p(99)'] ?? 0).toFixed(0)} ms`,
            ),
          ],
        };
      } finally {
        slowed?.undo();
      }
    },
    soak: async (environment) => ({
      // A point every half minute, since k6 would take more of a processor each second (see k6.ts).
      runs: [await run('soak', 'soak', environment, { K6_WEB_DASHBOARD_PERIOD: '30s' })],
      facts: [],
    }),
    async nightly(environment, nation) {
      const half = 30;
      let sent: Awaited<ReturnType<typeof sendUploads>> | undefined;
      const night = await run(
        'nightly',
        'nightly',
        environment,
        { HALF_SECONDS: String(half) },
        {
          during: async () => {
            await pause(half * 1000);
            sent = await sendUploads(environment, nation);
          },
        },
      );
      const p99 = (phase: string): number =>
        night.k6.summary[`lookup_answered_ms{scenario:${phase}}`]?.values['p(99)'] ?? 0;
      const ratio = p99('uploads') / p99('quiet');
      return {
        runs: [{ ...night, marks: [[half, 'uploads']] }],
        facts: [
          measured(
            'p99 during the uploads, at most twice the quiet one',
            `${p99('uploads').toFixed(2)} ms of ${p99('quiet').toFixed(2)} ms: ${ratio.toFixed(2)} times`,
            ratio <= NIGHTLY_OVER_QUIET,
          ),
          measured(
            `uploads (POST /uploads, ${UPLOADS_AT_ONCE} at a time), all loaded`,
            `${sent?.loaded} of ${nation.later.length} in ${sent?.seconds.toFixed(1)} s, the slowest ${((sent?.slowestMs ?? 0) / 1000).toFixed(1)} s`,
            sent?.loaded === nation.later.length,
          ),
        ],
      };
    },
    async fault(environment) {
      const pausedAt = 15;
      const resumedAt = 19;
      const killedAt = 25;
      const redisPid = async () => (await environment.pids())['redis'] ?? 0;
      const fault = await run(
        'fault',
        'fault',
        environment,
        {},
        {
          during: async () => {
            await pause(pausedAt * 1000);
            const pid = await redisPid();
            process.kill(pid, 'SIGSTOP');
            await pause((resumedAt - pausedAt) * 1000);
            process.kill(pid, 'SIGCONT');
            await pause((killedAt - resumedAt) * 1000);
            process.kill(await redisPid(), 'SIGKILL');
          },
        },
      );
      const from = (second: number) =>
        fault.k6.seconds.find(
          ({ at, answered, refused }) => at > second && answered > 0 && refused === 0,
        )?.at;
      return {
        runs: [
          {
            ...fault,
            marks: [
              [pausedAt, 'paused'],
              [resumedAt, 'resumed'],
              [killedAt, 'killed'],
            ],
          },
        ],
        facts: [
          measured('Redis paused', `${pausedAt} s to ${resumedAt} s`),
          measured('Redis killed', `${killedAt} s`),
          measured(
            'every lookup answered again after the pause, after the kill',
            `${((from(resumedAt) ?? Number.NaN) - resumedAt).toFixed(0)} s, ${((from(killedAt) ?? Number.NaN) - killedAt).toFixed(0)} s later`,
          ),
        ],
      };
    },
  };

/** Sends the files of the night after, each with its authority's own token. */
async function sendUploads({ workerUrl, uploadToken }: Environment, nation: Nation) {
  const byCode = new Map(nation.authorities.map((authority) => [authority.code, authority]));
  const waiting = [...nation.later];
  const took: number[] = [];
  const began = performance.now();
  async function work(): Promise<void> {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const authority = byCode.get(file.authority);
      if (authority === undefined) throw new Error(`${file.authority} is not an authority`);
      const { rowCount } = JSON.parse(readFileSync(`${file.path}.json`, 'utf8')) as {
        rowCount: number;
      };
      const createdAt = /-(\d{12})\.csv$/.exec(file.path)?.[1] ?? '';
      const sentAt = performance.now();
      const response = await fetch(
        `${workerUrl}/uploads?sequence=${file.sequence}&rowCount=${rowCount}&createdAt=${createdAt}`,
        {
          method: 'POST',
          headers: {
            authorization: `Bearer ${await uploadToken(authority)}`,
            'content-type': 'text/csv',
            'x-request-id': randomUUID(),
            accept: 'application/json',
          },
          body: readFileSync(file.path),
          signal: AbortSignal.timeout(MAX_WAIT_S * 1000),
        },
      );
      const text = await response.text();
      if (response.status === 200 && /"code":\s*"CPF0[23]"/.test(text)) {
        took.push(performance.now() - sentAt);
      } else console.error(`an upload was answered with ${response.status} ${text.slice(0, 300)}`);
    }
  }
  await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, work));
  return {
    loaded: took.length,
    seconds: (performance.now() - began) / 1000,
    slowestMs: percentile(took, 1),
  };
}

async function measure(scenario: Scenario): Promise<boolean> {
  const plans = Number(given.plans ?? (scenario === 'smoke' ? 20_000 : 230_000));
  const nation = await nationOf(plans);
  const environment = await startEnvironment(nation, {
    lookups: Number(given.lookups),
    nodeOptions: scenario === 'steady' ? ['--import', TAIL_PROBE] : [],
  });
  try {
    const { runs, facts } = await scenarios[scenario](environment, nation);
    // Steps of a search may fail: a failed step ends it.
    const counted = scenario === 'knee' ? [] : runs.slice(0, 1);
    const isVoid = counted.some(({ k6 }) => k6.isVoid);
    const met =
      counted.every(({ k6 }) => k6.met && !k6.isVoid) && facts.every((fact) => fact.met !== false);
    mkdirSync(given.out, { recursive: true });
    const report = {
      scenario,
      what: SCENARIOS[scenario],
      at: new Date().toISOString(),
      machine: on,
      country: { plans: nation.rows, children: nation.children, lookups: Number(given.lookups) },
      met,
      isVoid,
      facts,
      runs,
    };
    const path = join(given.out, `bench-${scenario}`);
    writeFileSync(`${path}.json`, JSON.stringify(report, null, 2));
    writeFileSync(`${path}.html`, page(report));
    for (const { what, value, met: kept } of facts) {
      console.log(`${what}: ${value}${kept === undefined ? '' : kept ? ' (met)' : ' (MISSED)'}`);
    }
    console.log(
      `${scenario}: ${isVoid ? 'VOID, the generator could not keep its rate' : met ? 'met' : 'MISSED'}; ${relative(process.cwd(), path)}.html`,
    );
    return met;
  } finally {
    await environment.stop();
  }
}

try {
  findK6();
  let all = true;
  for (const scenario of positionals.filter(isScenario)) all = (await measure(scenario)) && all;
  process.exitCode = all ? 0 : 1;
} catch (error) {
  if (!(error instanceof NoK6)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
