import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { draws } from '#loaders/synthetic/random.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { keys } from '#store/keys.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { day } from '../support/rows.ts';
import { SEED } from '../support/seed.ts';
import { WAIT_MS } from '../support/test-store.ts';
import { startLoading } from '../support/upload-loading.ts';
import { fileXml, planOf, upload } from '../support/upload-model.ts';

/** `npm run test:faults` tries `LOAD_STOPS` orders, different each time. */
const ORDERS = Number(process.env['LOAD_STOPS'] ?? '4');
const MS_AN_ORDER = 4_000;

/** Rows are applied in steps of 2,000, and a load that is told to stop ends between two steps. */
const ROWS = 2_050;
const CALLS_OF_A_STOP = 8;

const { t, l, newAuthority, expectWhole, events } = await startLoading();

const KILLED = new Error('the process was killed here');

type Called = { names: string[]; wasKilled: boolean };

/**
 * The store and the anchor of a process that is told to stop at one of its calls and killed at a later one, before or
 * after that call takes effect. Once killed, it can call nothing more.
 */
function watched(
  stopAt: number,
  kill: { at: number; when: 'before' | 'after' } | undefined,
): { store: Store; anchor: Anchor; stopped: AbortSignal; called: Called } {
  const stop = new AbortController();
  const called: Called = { names: [], wasKilled: false };
  function watch<T extends object>(of: T): T {
    return new Proxy(of, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...given: unknown[]): unknown => {
          if (called.wasKilled) throw KILLED;
          const number = called.names.push(String(name)) - 1;
          if (number === stopAt) stop.abort();
          if (number !== kill?.at) return value.apply(target, given);
          called.wasKilled = true;
          if (kill.when === 'before') throw KILLED;
          const done: unknown = value.apply(target, given);
          if (!(done instanceof Promise)) throw KILLED;
          return done.then(() => {
            throw KILLED;
          });
        };
      },
    });
  }
  return { store: watch(t.store), anchor: watch(t.anchor), stopped: stop.signal, called };
}

/** A first file, and a second that adds, changes, ends and deletes plans in more than one step. */
function files(authority: OdsCode): { first: string; second: string } {
  const all = Array.from({ length: ROWS }, (_, n) => n + 1);
  const first = upload({ authority, records: all.slice(0, 300).map((n) => planOf(n)) });
  const second = upload({
    authority,
    sequence: 2,
    records: all.map((n) =>
      planOf(n, {
        ...(n === 2 && { endDate: day('2026-11-01') }),
        ...(n === 3 && { deleteDate: day('2026-11-01') }),
      }),
    ),
  });
  return { first: fileXml(first), second: fileXml(second) };
}

const anonymous = ({ authority: _authority, file: _file, ...rest }: Acknowledgement): unknown =>
  rest;

async function left(authority: OdsCode): Promise<unknown> {
  await expectWhole(authority);
  const { rows, sequence, reconciled } = (await t.store.authority(authority)) ?? {};
  const loads = (await events()).filter(
    (event) => event.type === 'load' && event.authority === authority && event.sequence === 2,
  );
  return { rows, sequence, reconciled, loads: new Set(loads.map(({ auditId }) => auditId)).size };
}

test(
  `a load stopped and then killed at any step of its stop ends the same (${ORDERS} orders of seed ${SEED})`,
  async () => {
    const calm = newAuthority();
    const undisturbed = watched(Number.POSITIVE_INFINITY, undefined);
    await l.load(files(calm).first);
    const acknowledged = anonymous(await l.load(files(calm).second, undisturbed));
    const expected = await left(calm);
    const { names } = undisturbed.called;
    const applying = names.indexOf('applyRows');

    let [stopped, killed] = [0, 0];
    for (let number = 0; number < ORDERS; number++) {
      const order = `order ${number} of seed ${SEED}`;
      const draw = draws(SEED, number);
      const authority = newAuthority();
      const { first, second } = files(authority);
      await l.load(first);
      // Every second stop comes while rows are applied, where it waits for the end of the step.
      const stopAt =
        number % 2 === 0 ? applying - Math.floor(draw() * 2) : Math.floor(draw() * names.length);
      const at = stopAt + 1 + Math.floor(draw() * CALLS_OF_A_STOP);
      const when = draw() < 0.5 ? 'before' : 'after';
      // Some stops are allowed to finish.
      const process = watched(stopAt, number % 4 === 2 ? undefined : { at, when });
      await l.load(second, process).then(
        () => undefined,
        (error: unknown) => {
          stopped++;
          const isTold =
            error instanceof LoadFailed || (process.called.wasKilled && error === KILLED);
          expect(isTold, order).toBe(true);
        },
      );
      if (process.called.wasKilled) {
        killed++;
        // The lease of a killed process expires by itself; deleting it saves the wait.
        await t.admin.del(keys.lock(authority));
      }
      const begun = t.anchor.loadInProgress(authority);
      if (begun !== undefined) await resumeLoad(t.store, t.anchor, begun);
      expect(anonymous(await l.load(second)), order).toEqual(acknowledged);
      expect(await left(authority), order).toEqual(expected);
    }
    expect(stopped).toBeGreaterThan(0);
    expect(killed).toBeGreaterThan(0);
    // Files left behind by a killed process are cleared away later.
    expect(readdirSync(l.spoolDir).length).toBeLessThanOrEqual(killed);
  },
  4 * WAIT_MS + ORDERS * MS_AN_ORDER,
);
