import { NotReplicated } from '#store/connection/acknowledged.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { TestStore } from './test-store.ts';

const isOfStore = (store: Store, step: string): step is keyof Store => step in store;

/** A store and an anchor whose process ends at this step, before the step has any effect. */
export function endingAt(
  { store, anchor }: Pick<TestStore, 'store' | 'anchor'>,
  step: keyof Store | keyof Anchor,
): { store: Store; anchor: Anchor } {
  const fail = (): never => {
    throw new Error('the process ended here');
  };
  if (isOfStore(store, step)) {
    return { store: { ...store, [step]: () => Promise.resolve().then(fail) }, anchor };
  }
  return {
    store,
    anchor: new Proxy(anchor, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name === step) return fail;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    }),
  };
}

/** A store in which one step takes effect but is not acknowledged by replicas, so it counts as not done. */
export const unreplicatedAt = (store: Store, step: keyof Store): Store => ({
  ...store,
  async [step](...args: never[]) {
    await (store[step] as (...all: never[]) => Promise<unknown>)(...args);
    throw new NotReplicated(0, 1);
  },
});
