import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import type { ListedNumbers } from '#store/rows/not-in-use.ts';
import type { Store } from '#store/store.ts';
import { errorFields, type Log } from '../telemetry/log.ts';

/**
 * Writes to the store, now and whenever it has changed, which NHS numbers are no longer in use: a lookup by one of
 * those finds nothing, whatever is held of the child under the present one. While they cannot be read, those
 * written before count.
 *
 * @returns how to stop, once the first telling is over
 */
export async function tellNotInUse({
  tracer,
  store,
  everyMs,
  log,
}: {
  tracer: NumberTracer;
  store: Pick<Store, 'setNotInUse'>;
  everyMs: number;
  log: Log;
}): Promise<() => Promise<void>> {
  let told: ListedNumbers | undefined;
  let failing = false;
  let telling: Promise<void> | undefined;

  async function tell(): Promise<void> {
    try {
      const listed = await tracer.listed?.();
      if (listed === undefined || listed === told) return;
      await store.setNotInUse(listed);
      told = listed;
      failing = false;
      log.info('NHS numbers are known to be no longer in use', {
        count: listed.notInUse.length,
      });
    } catch (error) {
      if (!failing) {
        log.warn(
          'which NHS numbers are no longer in use could not be stored; those stored before still count',
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
  await look();
  const timer = setInterval(() => void look(), everyMs);
  return async () => {
    clearInterval(timer);
    await telling;
  };
}
