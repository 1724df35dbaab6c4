import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import type { ListedNumbers } from '#store/rows/not-in-use.ts';
import type { Store } from '#store/store.ts';
import type { StoreVerifier } from '#store/trust/verifier.ts';
import { errorFields, type Log } from '../telemetry/log.ts';

/**
 * Writes to the store, whenever it opens and whenever they change, the NHS numbers no longer in use: a lookup
 * of one of those finds nothing, whatever is held for the child under the present one. While they cannot be
 * read, those written before count. Of a sensitive record with a plan, it writes that no answer shows who has looked. A
 * store that is not open may be another's, or lack the function for it.
 *
 * @returns how to stop; if the store is open, once the first writing is over
 */
export async function tellNotInUse({
  tracer,
  store,
  verifier,
  everyMs,
  log,
}: {
  tracer: Pick<NumberTracer, 'listed'>;
  store: Pick<Store, 'setNotInUse' | 'readRows'>;
  verifier: Pick<StoreVerifier, 'state' | 'onChange'>;
  everyMs: number;
  log: Log;
}): Promise<() => Promise<void>> {
  let told: ListedNumbers | undefined;
  let failing = false;
  let telling: Promise<void> | undefined;
  let stopped = false;

  async function tell(): Promise<void> {
    if (stopped || !verifier.state.opened) return;
    try {
      const listed = await tracer.listed?.();
      if (listed === undefined || listed === told) return;
      await store.setNotInUse({ ...listed, sensitive: [] });
      // Nothing is shown of the others, so nothing needs to know whose records are sensitive.
      const held = await store.readRows(listed.sensitive);
      const sensitive = listed.sensitive.filter((number) => (held.get(number) ?? []).length > 0);
      await store.setNotInUse({ notInUse: [], inUse: [], sensitive });
      told = listed;
      failing = false;
      log.info('The numbers no longer in use were stored.', {
        count: listed.notInUse.length,
      });
    } catch (error) {
      if (!failing) {
        log.warn(
          'The NHS numbers no longer in use could not be stored. Those stored before still count.',
          errorFields(error),
        );
      }
      failing = true;
    }
  }
  const look = (): Promise<void> =>
    (telling ??= tell().finally(() => {
      telling = undefined;
    }));
  verifier.onChange(({ opened }) => {
    // It may be an older copy that has opened.
    void Promise.resolve(telling).then(() => {
      if (opened) told = undefined;
      return look();
    });
  });
  await look();
  const timer = setInterval(() => void look(), everyMs);
  return async () => {
    stopped = true;
    clearInterval(timer);
    await telling;
  };
}
