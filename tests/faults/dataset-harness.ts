import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { draws } from '#loaders/synthetic/random.ts';
import {
  lookupDatasetProblem,
  serveDataset,
  servedDataset,
} from '#service/files/served-dataset.ts';
import { createLookupStore, type LookupResult } from '#store/lookup.ts';
import { watchStore } from '#store/trust/readiness.ts';
import { startStoreVerifier } from '#store/trust/verifier.ts';
import { AUTHORITY, testNumber } from '../support/rows.ts';
import { fill } from '../support/service.ts';
import { startTestStore, until, WAIT_MS } from '../support/test-store.ts';

/**
 * Lookup processes and workers are pointed at one of two datasets, with settings and data folders from one of them or
 * from neither, as drawn from a seed. A child held by one dataset is never called not flagged by the other, and no
 * worker closes the other dataset.
 */

type DatasetFaultOptions = { seed: number; points: number; say?: (line: string) => void };

const HELD = testNumber(1);
const ENTRY = JSON.stringify({
  name: 'A Nurse',
  role: 'Nurse',
  organisation: { code: 'ZZX', name: 'Test Hospital' },
});

/** What is wrong in the end. Empty if all is well. */
export async function runDatasetFaults(options: DatasetFaultOptions): Promise<string[]> {
  const { seed, points, say = () => undefined } = options;
  const draw = draws(seed);
  const below = (bound: number): number => Math.floor(draw() * bound);
  const wrong: string[] = [];
  const kinds = ['live', 'demo'] as const;
  const stores = await Promise.all(kinds.map((kind) => startTestStore({ kind })));
  const folders: string[] = [];
  try {
    const [first] = stores;
    const datasets = await Promise.all(stores.map(({ store }) => store.dataset()));
    const ids = datasets.map((dataset) => dataset?.id ?? '');
    for (const [at, { store, anchor }] of stores.entries()) {
      await fill(store, anchor, {
        code: AUTHORITY,
        rows: at === 0 ? [{ nhsNumber: HELD }] : [],
      });
    }
    if (first === undefined) throw new Error('there is no store');

    async function lookUp(point: number): Promise<void> {
      const at = below(2);
      const named = below(3);
      const served = below(3);
      const DATA_DIR = await mkdtemp(join(tmpdir(), 'cpf-served-'));
      folders.push(DATA_DIR);
      const settings = { DATA_DIR, DATASET_ID: ids[named] };
      const store = stores[at];
      if (store === undefined) return;
      if (served < 2) serveDataset({ DATA_DIR }, ids[served] ?? '');
      const connection = await store.connect('lookup');
      const readiness = watchStore(connection, {
        datasetProblem: (held) => lookupDatasetProblem(settings, held),
      });
      const meant = (named === 2 || named === at) && (served === 2 || served === at);
      const allowed = meant && (at === 1 || named === 0);
      if (allowed) await readiness.whenOpen(WAIT_MS);
      else {
        const giveUpAt = performance.now() + WAIT_MS;
        const isRefused = () =>
          readiness
            .checks()
            .some(({ name, ok, detail }) => name === 'dataset' && !ok && /ataset /.test(detail));
        while (!isRefused() && performance.now() < giveUpAt) await readiness.refresh();
        if (!isRefused()) wrong.push(`${point}: nothing says why the dataset is refused`);
      }
      const lookups = createLookupStore(connection, readiness);
      let kind: LookupResult['kind'] = 'could-not-check';
      // On a busy machine readiness may be lost for a moment because a poll came late.
      await until(async () => {
        ({ kind } = await lookups.lookup({
          nhsNumber: HELD,
          auditId: randomUUID(),
          event: '{}',
          access: 'unscheduled',
          showAccesses: true,
          userKey: 'user-1',
          accessEntry: ENTRY,
          negativesAllowed: true,
        }));
        return !allowed || kind !== 'could-not-check';
      }, `an answer at point ${point}`);
      const expected = !allowed ? 'could-not-check' : at === 0 ? 'flagged' : 'not-flagged';
      if (kind !== expected) wrong.push(`${point}: ${kind} instead of ${expected}`);
      if (allowed && servedDataset(settings) !== ids[at]) {
        wrong.push(`${point}: the data folder does not know what it served`);
      }
      await readiness.stop();
      connection.disconnect();
      say(`${point}: lookups of dataset ${at}, named ${named}, served ${served}: ${kind}`);
    }

    async function work(point: number): Promise<void> {
      const at = below(2);
      const [theirs, own] = [stores[at], stores[1 - at]];
      if (theirs === undefined || own === undefined) return;
      const connection = await theirs.connect('worker');
      const verifier = startStoreVerifier(connection, own.anchor, {
        resume: () => Promise.reject(new Error('nothing to resume is expected here')),
      });
      const before = own.anchor.auditNumbers();
      await verifier.look();
      if (verifier.state.opened) wrong.push(`${point}: a worker took another dataset for its own`);
      const after = own.anchor.auditNumbers();
      if (before.some((number, stream) => (after[stream] ?? 0) < number)) {
        wrong.push(`${point}: an anchor knows less than before`);
      }
      await verifier.stop();
      connection.disconnect();
      if (!(await theirs.store.isOpen())) wrong.push(`${point}: a worker closed another dataset`);
      say(`${point}: a worker of dataset ${1 - at} at dataset ${at}`);
    }

    for (let point = 0; point < points; point++) {
      if (below(4) === 0) await work(point);
      else await lookUp(point);
    }
  } finally {
    await Promise.all(stores.map((store) => store.stop()));
    for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return wrong;
}
