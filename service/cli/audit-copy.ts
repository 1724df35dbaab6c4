import type { Configuration } from '#schemas/configuration.ts';
import { COPY } from '#schemas/wording/copy.ts';
import {
  acceptState,
  orderOneCopy,
  readCopyOrder,
  requireTwoCopies,
} from '#store/audit-stream/copy-orders.ts';
import { workedEpoch } from '#store/locks/worker-lease.ts';
import { CopyDamaged, createCommits } from '../audit/copy/commits.ts';
import { openPlace, placeSettings } from '../audit/copy/open-place.ts';
import { CopyAway } from '../audit/copy/place.ts';
import { KeyFileWrong, readKeys } from '../audit/seal/keys.ts';
import { auditKeyFile } from '../files/data-folder.ts';
import { newestState } from '../standby/restore-state.ts';
import { Failure } from './failure.ts';
import { type Named, readNamed } from './named.ts';
import { withAnyStore } from './store.ts';

/** `cp-flags audit copy`: whether the second copy can be used, how far it has got, and the orders about it. */
export async function showCopy(configuration: Configuration): Promise<void> {
  const order = await withAnyStore(configuration, 'worker', (_, __, connection) =>
    readCopyOrder(connection),
  );
  if (order.kind === 'single') console.log(COPY.single(order.by, order.at));
  const settings = placeSettings(configuration);
  if (settings === undefined) {
    if (order.kind === 'kept') throw new Failure(COPY.notSet);
    console.log('AUDIT_COPY is not set: the audit log has one copy.');
    return;
  }
  const commits = createCommits(openPlace(settings));
  try {
    const newest = await commits.newest();
    const { remarks } = await commits.check();
    console.log(`${commits.place} can be used and has ${newest?.size ?? 0} sealed events.`);
    for (const remark of remarks) console.log(remark);
  } catch (error) {
    throw error instanceof CopyAway ? new Failure(error.message) : error;
  }
}

const SAID = [CopyAway, CopyDamaged, KeyFileWrong];

/** `cp-flags audit copy accept-older`: a worker takes over the newest state in the copy, even an older one. */
export async function acceptOlder(configuration: Configuration, options: Named): Promise<void> {
  const named = readNamed(options);
  const settings = placeSettings(configuration);
  if (settings === undefined) throw new Failure('AUDIT_COPY is not set: there is no second copy.');
  await withAnyStore(configuration, 'worker', async (_, __, connection) => {
    const worked = await workedEpoch(connection);
    const state = await newestState(openPlace(settings), {
      worked,
      mark: undefined,
      signers: () => readKeys(auditKeyFile(configuration)),
      beforeSigning: false,
    }).catch((error: unknown) => {
      throw SAID.some((kind) => error instanceof kind)
        ? new Failure((error as Error).message)
        : error;
    });
    if (state?.epoch === undefined) throw new Failure(COPY.noState);
    const { epoch, version, at } = state;
    await acceptState(connection, named, { epoch, version });
    console.log(COPY.acceptedOlder(epoch, at));
  });
}

/** `cp-flags audit copy single` and `require`: whether events may leave Redis that are only in the log. */
export async function orderCopies(
  configuration: Configuration,
  does: 'single' | 'require',
  options: Named,
): Promise<void> {
  const named = readNamed(options);
  await withAnyStore(configuration, 'worker', async (store, _, connection) => {
    if ((await store.dataset()) === undefined) {
      throw new Failure('The store holds no dataset. Create one with cp-flags init.');
    }
    if (does === 'single') {
      if (!(await orderOneCopy(connection, named))) {
        throw new Failure('It is ordered already: cp-flags audit copy says since when.');
      }
      console.log(
        'Ordered. Events are sealed within seconds, and are on one disk only. End it with cp-flags audit copy require.',
      );
    } else {
      if (!(await requireTwoCopies(connection, named))) {
        throw new Failure('The second copy is required already.');
      }
      console.log('Ended. The second copy catches up, and events wait for it again.');
    }
  });
}
