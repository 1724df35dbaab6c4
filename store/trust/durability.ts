import type { Redis } from 'ioredis';
import { z } from 'zod';
import { parseJson } from '#schemas/json.ts';
import { DURABILITY } from '#schemas/wording/store.ts';
import { inOneWrite } from '../connection/one-write.ts';
import { information, list } from '../connection/reply.ts';
import { keys } from '../keys.ts';

/** The settings that make Redis write an event to disk before its answer. Only a worker may read them. */
export const DURABLE = {
  appendonly: 'yes',
  appendfsync: 'always',
  'no-appendfsync-on-rewrite': 'no',
} as const;
export type DurableSetting = keyof typeof DURABLE;
const SETTINGS = Object.keys(DURABLE) as DurableSetting[];

/** Those settings of a server, by name. */
export const durableSettings = async (redis: Redis): Promise<ReadonlyMap<string, string>> =>
  new Map(pairs(await redis.config('GET', ...SETTINGS)));

/** A field of the dataset's hash, which every process may read already, and reads each second. */
export const DURABILITY_FIELD = 'durability';

/** A change is reported at once, so that it is noticed within the two seconds promised. */
const LOOK_EVERY_MS = 250;
const SAY_EVERY_MS = 1_000;
const TRUSTED_FOR_MS = 3_000;

const saidSchema = z.object({
  /** The run of Redis that it describes. */
  run: z.string(),
  /** Milliseconds, Redis's own time. */
  at: z.number(),
  settings: z.record(z.string(), z.string()),
  /** {@link conditionsOf} the server; absent from an older worker. */
  conditions: z.string().optional(),
});

/** Sections of `INFO` that {@link conditionsOf} reads. */
export const CONDITIONS_SECTIONS = [
  'server',
  'persistence',
  'replication',
  'stats',
  'commandstats',
];
/** The commands that change a running server's settings, or reset the count of such commands. */
const SETTING_COMMANDS = ['config|set', 'config|resetstat'];
const NO_CALLS = 'calls=0,usec=0';

/**
 * What a worker's report on a server depends on, as one text that every process can read: while it is
 * unchanged, the report holds. Settings change only by a command that Redis counts, or with a new run; a
 * replica that copies everything is counted too.
 *
 * @param info what `INFO` says, with {@link CONDITIONS_SECTIONS}
 */
export function conditionsOf(info: ReadonlyMap<string, string>): string {
  const changes = SETTING_COMMANDS.map(
    // Refused calls change nothing, and anybody can make them.
    (name) => /^calls=\d+,usec=\d+/.exec(info.get(`cmdstat_${name}`) ?? '')?.[0] ?? NO_CALLS,
  );
  const copying = [...info].flatMap(([name, value]) =>
    /^slave\d+$/.test(name) && !value.includes('state=online')
      ? /^[^,]+,[^,]+,[^,]+/.exec(value)
      : [],
  );
  const names = ['run_id', 'role', 'aof_enabled', 'aof_last_write_status', 'master_link_status'];
  const plain = [...names, 'sync_full'].map((name) => info.get(name) ?? '');
  return [...plain, ...changes, ...copying].join(' ');
}

/**
 * Tells every lookup process, through Redis itself, how this run of Redis writes to disk: each second, at
 * every change of a setting, and whenever `publish` is called. Before there is a dataset it says nothing.
 *
 * @param ours the dataset that this worker keeps; nothing is written into the Redis of another
 */
export function publishDurability(redis: Redis, ours: () => string | undefined) {
  let publishing: Promise<void> | undefined;
  /** The last report, and the connection on which it was made. */
  let last:
    | { stream: Redis['stream']; sayAgainAt: number; settings: ReadonlyMap<string, string> }
    | undefined;

  async function say(always: boolean): Promise<void> {
    if (!always && last?.stream === redis.stream && performance.now() < last.sayAgainAt) {
      const now = await durableSettings(redis);
      if (SETTINGS.every((setting) => now.get(setting) === last?.settings.get(setting))) return;
    }
    // Together, and so on one connection to one run; the time first, so that it is not later than the rest,
    // and the settings after the conditions, so that a change in between makes the conditions outdated.
    const { stream } = redis;
    const [time, text, settings, dataset] = await Promise.all(
      inOneWrite(
        redis,
        () =>
          [
            redis.time(),
            redis.info(...CONDITIONS_SECTIONS),
            durableSettings(redis),
            redis.hget(keys.dataset, 'id'),
          ] as const,
      ),
    );
    const info = information(text);
    const run = info.get('run_id');
    if (dataset === null || dataset !== ours() || run === undefined) return;
    const at = Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000);
    const said: z.infer<typeof saidSchema> = {
      run,
      at,
      settings: Object.fromEntries(settings),
      conditions: conditionsOf(info),
    };
    await redis.hset(keys.dataset, DURABILITY_FIELD, JSON.stringify(said));
    last = { stream, settings, sayAgainAt: performance.now() + SAY_EVERY_MS };
  }

  const timer = setInterval(() => {
    if (redis.status !== 'ready' || publishing !== undefined) return;
    // If nothing is reported, the last report counts for three seconds, and then only if nothing can have changed.
    publishing = say(false)
      .catch(() => undefined)
      .finally(() => (publishing = undefined));
  }, LOOK_EVERY_MS);

  return {
    /** At once. @throws if Redis does not take it */
    publish: () => say(true),
    async stop(): Promise<void> {
      clearInterval(timer);
      await publishing;
    },
  };
}

/**
 * What is wrong with how Redis writes to disk, in a sentence that says what to do; `undefined` if a worker's
 * report on this run says that nothing is, and is at most three seconds old, or nothing has changed since.
 *
 * @param said the field of the dataset
 * @param info what `INFO` says, with {@link CONDITIONS_SECTIONS}
 * @param storeClock milliseconds, Redis's own time
 */
export function durabilityProblem(
  said: string | undefined,
  info: ReadonlyMap<string, string>,
  storeClock: number,
): string | undefined {
  if (said === undefined) {
    return DURABILITY.neverSaid;
  }
  const parsed = parse(said);
  if (parsed === undefined || parsed.run !== info.get('run_id')) {
    return DURABILITY.notSaid;
  }
  const age = Math.abs(storeClock - parsed.at);
  if (age > TRUSTED_FOR_MS && parsed.conditions !== conditionsOf(info)) {
    return DURABILITY.saidLongAgo(age);
  }
  const wrong = SETTINGS.find((setting) => parsed.settings[setting] !== DURABLE[setting]);
  return wrong && DURABILITY.wrong(wrong, DURABLE[wrong]);
}

/** When a worker last reported, milliseconds of Redis's own time; `undefined` if none did. */
export const durabilitySaidAt = (said: string | undefined): number | undefined =>
  said === undefined ? undefined : parse(said)?.at;

const parse = (said: string): z.infer<typeof saidSchema> | undefined =>
  saidSchema.safeParse(parseJson(said)).data;

/** `CONFIG GET` as ioredis gives it: a flat list, or an object if the protocol has maps. */
function pairs(reply: unknown): [string, string][] {
  if (Array.isArray(reply)) {
    const flat = list(reply);
    return flat.flatMap((_, i) =>
      i % 2 === 0 ? [[String(flat[i]), String(flat[i + 1])] as [string, string]] : [],
    );
  }
  return Object.entries(reply ?? {}).map(([name, value]) => [name, String(value)]);
}
