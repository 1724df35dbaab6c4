import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { syntheticNumber } from '#loaders/synthetic/numbers.ts';
import { ACTIVITY_UNSCHEDULED } from '#schemas/people/care-setting.ts';
import { openDemoIssuer } from '#service/admission/demo-issuer.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import {
  addAuthorities,
  type Country,
  connectAdmin,
  cpFlags,
  NATION,
  withFolder,
} from './country.ts';
import { percentile } from './percentile.ts';
import { startProcess } from './processes.ts';
import { HELD_ONE_IN } from './sending.ts';

type LookupFigures = {
  perSecond: number;
  /** Milliseconds, over all runs: one run has too few for a 99th percentile. */
  quiet: Latencies;
  loading: Latencies;
  ratio: number;
};
type Latencies = { lookups: number; p50: number; p99: number; most: number };

const latencies = (values: readonly number[]): Latencies => ({
  lookups: values.length,
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
  most: percentile(values, 1),
});

const TOKEN_SECONDS = 3600;
const WARM_UP_MS = 5_000;
const QUIET_MS = 10_000;
const ANSWERS_WITHIN_MS = 20_000;

/**
 * Lookups that arrive at a steady rate, whatever becomes of earlier ones, at a service in its own process:
 * while nothing else happens, and while the command line loads a whole country.
 */
export async function measureLookups(
  country: Country,
  { runs, perSecond }: { runs: number; perSecond: number },
): Promise<LookupFigures> {
  const quiet: number[] = [];
  const loading: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await withFolder(async (dataDir) => {
      const environment = {
        DATA_DIR: dataDir,
        PORT: '0',
        LOG_LEVEL: 'error',
        MINIMUM_COVERAGE: '0',
      };
      await cpFlags(['init', '--demo'], environment);
      const service = await startProcess('service/cli.mjs', ['serve'], {
        environment,
        until: /http:\/\/[^:]+:([0-9]+)/,
      });
      try {
        await makeKnown(dataDir, country);
        const { look, lookup } = arrivals(
          Number(service.said[1]),
          await token(dataDir),
          country,
          perSecond,
        );
        await untilAnswered(lookup);
        await look(pause(WARM_UP_MS));
        quiet.push(...(await look(pause(QUIET_MS / 2))));
        loading.push(...(await look(cpFlags(['load', ...country.paths], environment))));
        quiet.push(...(await look(pause(QUIET_MS / 2))));
      } finally {
        await service.stop();
      }
    });
  }
  const figures = { perSecond, quiet: latencies(quiet), loading: latencies(loading) };
  return { ...figures, ratio: figures.loading.p99 / figures.quiet.p99 };
}

async function makeKnown(dataDir: string, { authorities }: Country): Promise<void> {
  const found = await findEmbeddedRedis(dataDir);
  if (found === undefined) throw new Error('the service has started no Redis');
  const redis = await connectAdmin(found);
  const anchor = Anchor.open(join(dataDir, 'anchor'));
  await addAuthorities(createStore(redis, anchor), authorities);
  anchor.close();
  redis.disconnect();
}

async function token(dataDir: string): Promise<string> {
  const issuer = await openDemoIssuer(dataDir);
  const organisation = { code: 'ZZH01', name: 'Northgate General Hospital' };
  const role = { id: 'bench-1', code: 'R8000', name: 'Clinical Practitioner', organisation };
  return issuer.sign(
    {
      sub: 'bench',
      client_id: 'bench',
      name: 'Bench Nurse',
      roles: [{ ...role, activities: [ACTIVITY_UNSCHEDULED] }],
    },
    TOKEN_SECONDS,
  );
}

/** Sends lookups at their times until the work is done; gives how long each took, in milliseconds. */
function arrivals(port: number, bearer: string, { people }: Country, perSecond: number) {
  const agent = new Agent({ keepAlive: true });
  let sent = 0;

  function lookup(): Promise<number> {
    sent += 1;
    const held = sent % HELD_ONE_IN === 0;
    // Beyond the people of the country nobody is held.
    const index = held ? (sent * 7919) % people : people + (sent % 100_000);
    const body = JSON.stringify({ nhsNumber: syntheticNumber(NATION.numbers, index) });
    const began = performance.now();
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          agent,
          port,
          host: '127.0.0.1',
          method: 'POST',
          path: '/lookup',
          headers: {
            authorization: `Bearer ${bearer}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            'x-request-id': randomUUID(),
          },
        },
        (incoming) => {
          incoming.resume();
          incoming.once('end', () => {
            if (incoming.statusCode === 200) resolve(performance.now() - began);
            else reject(new Error(`a lookup was answered with ${incoming.statusCode}`));
          });
        },
      );
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }

  async function look(work: Promise<unknown>): Promise<number[]> {
    const done = new AbortController();
    const ended = work.finally(() => done.abort());
    const underWay: Promise<number>[] = [];
    const began = performance.now();
    while (!done.signal.aborted) {
      const due = Math.floor(((performance.now() - began) / 1000) * perSecond);
      while (underWay.length < due) underWay.push(lookup());
      await pause(1);
    }
    await ended;
    return Promise.all(underWay);
  }

  return { look, lookup };
}

/** A service that has just started, or just learnt of its authorities, answers a second later. */
async function untilAnswered(lookup: () => Promise<number>): Promise<void> {
  const giveUpAt = performance.now() + ANSWERS_WITHIN_MS;
  for (;;) {
    try {
      await lookup();
      return;
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await pause(100);
    }
  }
}
