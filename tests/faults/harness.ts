import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { loadFile } from '#loaders/load/load.ts';
import { type GeneratedFile, generateEngland } from '#loaders/synthetic/generate.ts';
import { draws, one } from '#loaders/synthetic/random.ts';
import { listHeldFiles, releaseHeldFile } from '#loaders/upkeep/held-files.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { londonDate } from '#schemas/calendar.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { createStore, type Store } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { allEvents } from '../support/audit-events.ts';
import { officer } from '../support/authority.ts';
import { cpFlags, isAlive, redisOf, run, startServing } from '../support/processes.ts';
import { startTestStore, until, WAIT_MS } from '../support/test-store.ts';

/**
 * Loads in real processes are cut short by `kill -9` of the loader, the service or Redis at a moment drawn from a seed,
 * and then made again. The result is compared with that of the same files loaded undisturbed.
 */

type FaultOptions = {
  seed: number;
  points: number;
  /** The average number of plans in an authority's first file. */
  plansAFile?: number;
  /** How many services run side by side. */
  lanes?: number;
  say?: (line: string) => void;
};

type Victim = 'loader' | 'service' | 'redis';
/** How the interrupted file arrives: in a process of its own, or through the service. */
type Way = 'cp-flags load' | 'POST /uploads';

/** What happens at one point, all drawn from the seed. */
type Point = {
  number: number;
  victim: Victim;
  way: Way;
  /** Which of the authority's two files is interrupted. */
  kind: GeneratedFile['kind'];
  /** When it is interrupted, as a share of the time the undisturbed load took. */
  moment: number;
  /** A killed service comes back either at once, or after somebody has tried to load the file without it. */
  serviceReturns: 'at once' | 'after';
  /** If set, the second attempt is interrupted too, at this share. */
  again: number | undefined;
  /** If set, the service is first told to stop, and killed this share of a stop later. */
  stopping: number | undefined;
};

const DAY_MS = 86_400_000;
const VICTIMS = ['loader', 'service', 'redis'] as const;
const WAYS = ['cp-flags load', 'POST /uploads'] as const;
const KINDS = ['first', 'later'] as const;
const RETURNS = ['at once', 'after'] as const;
/** The share of loads that are killed a second time. */
const AGAIN = 0.3;
/** The share of killed services that are killed while they stop, and how long a stop takes. */
const STOPPING = 0.5;
const STOP_MS = 600;
/** Greater than 1, so that the moment may also be just after the end. */
const LATEST_MOMENT = 1.1;
/** A process that has just started is slower than the one in which the undisturbed loads were timed. */
const SLOWER = 2;
const BY_COMMAND = { victim: 'loader', way: 'cp-flags load' } as const;
const TOKEN_SECONDS = 600;
const ATTEMPTS = 40;
const LOADED = [0, 3, 4];

function pointOf(seed: number, number: number): Point {
  const draw = draws(seed, number);
  // In rotation, so that even a few points cover everything.
  const victim = VICTIMS[(seed + number) % VICTIMS.length] ?? 'loader';
  return {
    number,
    victim,
    way: victim === 'loader' ? 'cp-flags load' : one(draw, WAYS),
    kind: KINDS[Math.floor((seed + number) / VICTIMS.length) % KINDS.length] ?? 'first',
    moment: draw() * LATEST_MOMENT,
    serviceReturns: one(draw, RETURNS),
    again: draw() < AGAIN ? draw() * LATEST_MOMENT : undefined,
    stopping: victim === 'service' && draw() < STOPPING ? draw() : undefined,
  };
}

/** What loads leave behind for one authority, without the parts that depend on the time. */
type Outcome = {
  acknowledgements: unknown[];
  authority: unknown;
  anchored: unknown;
  digest: string | undefined;
  rows: number | undefined;
  loadsRecorded: number[];
  /** The number of parts that wait for a decision. */
  holds: number;
};

const timeless = ({ file, repeated: _repeated, ...rest }: Acknowledgement): unknown => {
  // A load that was cut short may have been finished by another process before the file came again. A file sent to the
  // service has no name.
  const { receivedAt: _, name: __, ...about } = file;
  const { id: ___, since: ____, ...held } = rest.held ?? {};
  return { ...rest, file: about, held };
};

const holdsOf = (anchor: Anchor, code: string) =>
  listHeldFiles(anchor).filter(({ authority }) => authority === code);

async function outcomeOf(
  dataDir: string,
  store: Store,
  anchor: Anchor,
  files: readonly GeneratedFile[],
): Promise<Outcome> {
  const code = odsCodeSchema.parse(files[0]?.authority.code);
  const tally = (await store.tally()).get(code);
  const entries = await Promise.all(files.map(({ sequence }) => store.fileOf(code, sequence)));
  const events = (await allEvents(dataDir, store, ['system'])).filter(
    (event) => event.type === 'load' && event.authority === code,
  );
  return {
    acknowledgements: entries.map((entry) =>
      entry === undefined
        ? undefined
        : [entry.code, timeless(JSON.parse(entry.acknowledgement) as Acknowledgement)],
    ),
    authority: await store.authority(code),
    anchored: { state: anchor.authority(code), inProgress: anchor.loadInProgress(code) },
    digest: tally?.digest,
    rows: tally?.rows,
    // An event written twice because of a crash has the same id both times.
    loadsRecorded: files.map(
      ({ sequence }) =>
        new Set(
          events
            .filter((event) => event.type === 'load' && event.sequence === sequence)
            .map(({ auditId }) => auditId),
        ).size,
    ),
    holds: holdsOf(anchor, code).length,
  };
}

/** A file, where it is on disk, and how long it took to load undisturbed. */
type Written = {
  file: GeneratedFile;
  path: string;
  records: number;
  milliseconds: number;
  ack: unknown;
};
type Expected = { files: Written[]; outcome: Outcome; released: Outcome };

async function writeFiles(folder: string, files: readonly GeneratedFile[]): Promise<Written[]> {
  return Promise.all(
    files.map(async (file) => {
      const path = join(folder, file.name);
      const pieces = file.text();
      let text = '';
      let step = pieces.next();
      for (; step.done !== true; step = pieces.next()) text += step.value;
      const { records } = step.value;
      await writeFile(path, text);
      if (file.format === 'csv') {
        await writeFile(`${path}.json`, JSON.stringify({ rowCount: records }));
      }
      return { file, path, records, milliseconds: 0, ack: undefined };
    }),
  );
}

async function addAuthority(store: Store, { authority }: GeneratedFile): Promise<void> {
  const { code, name, officeHoursPhone, emergencyDutyTeamPhone } = authority;
  const details = { name, officeHoursPhone, emergencyDutyTeamPhone };
  await store.setAuthority(odsCodeSchema.parse(code), details, 'test');
}

/** Loads a file in this process, undisturbed. */
async function loadHere(
  store: Store,
  anchor: Anchor,
  dataDir: string,
  { path, file }: Written,
): Promise<unknown> {
  const options = { spoolDir: join(dataDir, 'spool'), addAuthority: true, by: 'test' };
  return timeless(await loadFile(store, anchor, { path, name: file.name }, options));
}

/** Releases everything held from a file's authority, an hour after the file was made. */
async function releaseAll(
  store: Store,
  anchor: Anchor,
  { authority, createdAt }: GeneratedFile,
): Promise<void> {
  const now = (): number => createdAt + 3_600_000;
  for (const { id } of holdsOf(anchor, authority.code)) {
    await releaseHeldFile(store, anchor, id, { by: 'test', reason: 'as planned', now });
  }
}

/** Loads every file undisturbed, one after another. */
async function undisturbed(
  folder: string,
  { seed, points, plansAFile = 400 }: FaultOptions,
): Promise<Expected[]> {
  // For every second authority so many plans end at once that the later file's removals are held.
  const [calm, unusual] = [0.2, 0.7].map((changes) =>
    generateEngland({
      seed,
      authorities: points,
      plans: points * plansAFile,
      deltas: 1,
      // Yesterday: just after midnight today's files are still to be made, and their data is as of when each is loaded.
      date: londonDate(Date.now() - DAY_MS),
      changes,
      numbers: 'test',
      format: 'both',
      badRate: 0.02,
    }),
  );
  const all = [...(calm?.files() ?? []), ...(unusual?.files() ?? [])];
  const t = await startTestStore({ kind: 'demo' });
  const expected: Expected[] = [];
  try {
    for (const { code, index } of calm?.authorities ?? []) {
      const both = all.filter(({ authority }) => authority.code === code);
      const own = both.filter((_, i) => i < 2 === (Math.floor(index / 6) % 2 === 0));
      const files = await writeFiles(folder, own);
      for (const each of files) {
        await addAuthority(t.store, each.file);
        const began = performance.now();
        each.ack = await loadHere(t.store, t.anchor, t.dataDir, each);
        each.milliseconds = performance.now() - began;
      }
      const outcome = await outcomeOf(t.dataDir, t.adminStore, t.anchor, own);
      for (const file of own) await releaseAll(t.adminStore, t.anchor, file);
      const released = await outcomeOf(t.dataDir, t.adminStore, t.anchor, own);
      expected.push({ files, outcome, released });
    }
    return expected;
  } finally {
    await t.stop();
  }
}

/** A service with its own data folder, and the command line for it. */
class Lane {
  readonly dataDir: string;
  readonly #environment: Record<string, string>;
  #service: Awaited<ReturnType<typeof startServing>> | undefined;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
    this.#environment = {
      DATA_DIR: dataDir,
      LOG_LEVEL: 'warn',
      // Dozens of processes start, and compiling the same files in each would take most of the time.
      NODE_COMPILE_CACHE: join(dirname(dataDir), 'compiled'),
    };
  }

  async begin(): Promise<void> {
    const { code, stderr } = await run(['init', '--demo'], this.#environment);
    if (code !== 0) throw new Error(`init failed: ${stderr}`);
    await this.serve();
  }

  async serve(): Promise<void> {
    if (this.#service?.gone() === false) return;
    this.#service = await startServing([], this.#environment);
  }

  /** Ends the service, by force if necessary. */
  async end(): Promise<void> {
    await this.serve();
    await this.#service?.stop();
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  load(path: string, ack: string) {
    return cpFlags(['load', path, '--ack', ack], this.#environment);
  }

  async kill(victim: 'service' | 'redis', stopping: number | undefined): Promise<void> {
    if (victim === 'service') {
      if (stopping !== undefined) {
        this.#service?.kill('SIGTERM');
        await pause(stopping * STOP_MS);
      }
      this.#service?.kill('SIGKILL');
      await this.#service?.ended;
      return;
    }
    const pid = await redisOf(this.dataDir).catch(() => undefined);
    if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL');
  }

  async untilOpen(): Promise<void> {
    await until(async () => {
      const answer = await fetch(`${this.#service?.baseUrl}/_status`).catch(() => undefined);
      return answer?.status === 200;
    }, 'lookups to be answered again');
  }

  /** Uses the lane's current store, whose socket changes with each start. */
  async withStore<T>(work: (store: Store, anchor: Anchor) => Promise<T>): Promise<T> {
    const found = await findEmbeddedRedis(this.dataDir);
    if (found === undefined) throw new Error('no Redis is running');
    const redis = connectStore(
      { socketPath: found.socketPath, ...found.users.admin },
      { name: 'faults', commandTimeoutMs: WAIT_MS },
    );
    const anchor = Anchor.open(join(this.dataDir, 'anchor'));
    try {
      await whenReady(redis, WAIT_MS);
      return await work(createStore(redis, anchor), anchor);
    } finally {
      anchor.close();
      redis.disconnect();
    }
  }

  /** Sends a file as the authority's own system would, and resolves with the result. */
  async post({ file, path, records }: Written): Promise<string> {
    const { sequence, createdAt, authority, format } = file;
    const isCsv = format === 'csv';
    const description = new URLSearchParams({
      sequence: String(sequence),
      createdAt: new Date(createdAt).toISOString(),
      rowCount: String(records),
    });
    const { sign } = await openDemoIssuer(this.dataDir);
    try {
      const answer = await fetch(
        `${this.#service?.baseUrl}/uploads${isCsv ? `?${description.toString()}` : ''}`,
        {
          method: 'POST',
          body: await readFile(path),
          headers: {
            authorization: `Bearer ${await sign(officer(authority.code), TOKEN_SECONDS)}`,
            'x-request-id': randomUUID(),
            'content-type': isCsv ? 'text/csv' : 'application/xml',
          },
        },
      );
      return `the upload was answered with ${answer.status}`;
    } catch {
      return 'the upload was not answered';
    }
  }

  spools(): string[] {
    try {
      return readdirSync(join(this.dataDir, 'spool'));
    } catch {
      return [];
    }
  }
}

/** A load that has begun in some process. */
type UnderWay = { ended: Promise<string>; gone(): boolean; kill(): void };

function begin(lane: Lane, way: Way, written: Written, ack: string): UnderWay {
  if (way === 'cp-flags load') {
    const { ended, gone, kill } = lane.load(written.path, ack);
    const told = ended.then(({ code }) =>
      code === null ? 'the loader died' : `the loader ended with ${code}`,
    );
    return { ended: told, gone, kill: () => kill('SIGKILL') };
  }
  let answered = false;
  const ended = lane.post(written).finally(() => (answered = true));
  return { ended, gone: () => answered, kill: () => undefined };
}

/** Lets a load run until its moment and then kills. Resolves when the loader has ended. */
async function cutShort(
  lane: Lane,
  written: Written,
  ack: string,
  {
    victim,
    way,
    serviceReturns,
    stopping,
  }: Pick<Point, 'victim' | 'way' | 'serviceReturns' | 'stopping'>,
  moment: number,
): Promise<string> {
  const before = lane.spools();
  const load = begin(lane, way, written, ack);
  // The load itself is to be cut short, not the start of its process.
  const hasBegun = (): boolean => lane.spools().some((name) => !before.includes(name));
  await until(() => hasBegun() || load.gone(), 'the load to begin');
  await pause(moment * written.milliseconds * (way === 'cp-flags load' ? SLOWER : 1));
  if (victim === 'loader') load.kill();
  else await lane.kill(victim, stopping);
  if (victim === 'service' && serviceReturns === 'at once') await lane.serve();
  return load.ended;
}

/** Loads a file as somebody would who is told that it failed: again and again, until it is answered. */
async function loadUntilAnswered(lane: Lane, path: string, ack: string): Promise<unknown> {
  let last = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const { code, stderr } = await lane.load(path, ack).ended;
    if (code !== null && LOADED.includes(code)) {
      return timeless(JSON.parse(await readFile(ack, 'utf8')) as Acknowledgement);
    }
    // A fault must be reported in a sentence, never with a stack trace.
    if (/\n\s+at /.test(stderr)) throw new Error(`the loader threw: ${stderr}`);
    last = stderr;
    await pause(100);
  }
  throw new Error(`the file could not be loaded again: ${last}`);
}

/** Tries to load a file while no service, and so no Redis, is running. */
async function failToLoad(lane: Lane, path: string, ack: string): Promise<void> {
  const { code, stderr } = await lane.load(path, ack).ended;
  if (code === null || LOADED.includes(code)) throw new Error('a file was loaded without a Redis');
  if (/\n\s+at /.test(stderr)) throw new Error(`the loader threw: ${stderr}`);
}

async function runPoint(
  lane: Lane,
  point: Point,
  { files, outcome, released }: Expected,
): Promise<string> {
  const [first, later] = files;
  if (first === undefined || later === undefined) throw new Error('an authority has two files');
  const ack = join(lane.dataDir, `${first.file.authority.code}.ack.json`);
  const cut = point.kind === 'first' ? first : later;
  // Starts the service again, whatever happened to it at the previous point.
  await lane.serve();
  await lane.withStore(async (store, anchor) => {
    await addAuthority(store, first.file);
    if (cut === later) await loadHere(store, anchor, lane.dataDir, first);
  });

  const ended = await cutShort(lane, cut, ack, point, point.moment);
  if (point.again !== undefined) {
    await cutShort(lane, cut, ack, { ...point, ...BY_COMMAND }, point.again);
  }
  // An embedded Redis ends with its service, so a loader is told to start the service first.
  if (point.victim === 'service' && point.serviceReturns === 'after')
    await failToLoad(lane, cut.path, ack);
  await lane.serve();
  const answered = await loadUntilAnswered(lane, cut.path, ack);
  await lane.untilOpen();
  const differences = differing('acknowledgement', answered, cut.ack);
  await lane.withStore(async (store, anchor) => {
    if (cut === first) {
      const next = await loadHere(store, anchor, lane.dataDir, later);
      differences.push(...differing('the next acknowledgement', next, later.ack));
    }
    const sent = files.map(({ file }) => file);
    const left = await outcomeOf(lane.dataDir, store, anchor, sent);
    differences.push(...differing('what is left', left, outcome));
    for (const file of sent) await releaseAll(store, anchor, file);
    const then = await outcomeOf(lane.dataDir, store, anchor, sent);
    differences.push(...differing('what is left once released', then, released));
  });
  if (differences.length > 0) throw new Error(differences.join('\n'));
  return ended;
}

/** Where two values differ, as deep inside as possible. */
function differing(where: string, found: unknown, expected: unknown): string[] {
  if (isRecord(found) && isRecord(expected)) {
    const names = new Set([...Object.keys(found), ...Object.keys(expected)]);
    return [...names].flatMap((name) => differing(`${where}.${name}`, found[name], expected[name]));
  }
  const [one, other] = [found, expected].map((value) => JSON.stringify(value));
  return one === other ? [] : [`${where} is ${one}, undisturbed it is ${other}`];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const described = ({ victim, way, kind, moment, serviceReturns, again, stopping }: Point): string =>
  [
    `kill -9 of the ${victim} ${(moment * 100).toFixed(0)} % into the ${kind} file by ${way}`,
    ...(victim === 'service' ? [`back ${serviceReturns}`] : []),
    ...(stopping === undefined ? [] : ['while it stops']),
    ...(again === undefined ? [] : [`the loader again ${(again * 100).toFixed(0)} % in`]),
  ].join(', ');

/**
 * Runs this many points.
 *
 * @returns what went wrong, with a text for each failed point; empty if all ended the same
 */
export async function runFaults(options: FaultOptions): Promise<string[]> {
  const { seed, points, lanes = 2, say = () => undefined } = options;
  const folder = await mkdtemp(join(tmpdir(), 'cpf-faults-'));
  const wrong: string[] = [];
  try {
    const expected = await undisturbed(folder, options);
    let next = 0;
    const work = async (number: number): Promise<void> => {
      const lane = new Lane(join(folder, `lane-${number}`));
      await lane.begin();
      try {
        while (next < points) {
          const point = pointOf(seed, next);
          const files = expected[next];
          next += 1;
          if (files === undefined) throw new Error('there is no file for the point');
          const name = `point ${point.number} of seed ${seed}: ${described(point)}`;
          try {
            say(`${name}: ${await runPoint(lane, point, files)}, the same end`);
          } catch (error) {
            const text = `${name}: ${error instanceof Error ? error.message : String(error)}`;
            say(text);
            wrong.push(text);
          }
        }
      } finally {
        await lane.end();
      }
    };
    await Promise.all(Array.from({ length: lanes }, (_, i) => work(i)));
    return wrong;
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
