import type { UploadSource } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { reconcile as compare, readExport } from '#loaders/reconcile/reconcile.ts';
import type { Authority } from '#schemas/authority.ts';
import type { Reconciliation } from '#schemas/uploads/reconciliation.ts';
import type { WayIn } from '#schemas/wording/files.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { StoreNotWhole } from '#store/errors.ts';
import type { Store } from '#store/store.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import type { AdmittedAuthority } from './guarded-authority.ts';
import { holdingsRead, wholeRowsOf } from './holdings.ts';

export type ComparingDependencies = {
  store: Pick<Store, 'intakeState' | 'rowsOf' | 'appendEvent'>;
  readiness: Pick<Readiness, 'open' | 'run'>;
  loads: { spoolDir: string; maxBytes: number };
};

/**
 * Compares an export of a case system with what is held for its authority, recorded before any holdings are
 * read. Changes nothing.
 *
 * @throws {LoadFailed} if the export or the disk failed, or the store is no longer known to be whole: an authority would
 * repair what is not broken
 */
export async function compareExport(
  { store, readiness, loads }: ComparingDependencies,
  admitted: AdmittedAuthority,
  authority: Authority,
  source: UploadSource,
  way: WayIn,
): Promise<Reconciliation> {
  const { code } = authority;
  const read = await readExport(source, {
    authority: code,
    columns: (await store.intakeState(code)).columns,
    spoolDir: loads.spoolDir,
    maxBytes: loads.maxBytes,
    way,
  });
  // The export may have taken minutes to arrive.
  if (!readiness.open) throw new LoadFailed(LOAD_FAILED.closedMeanwhile);
  await store.appendEvent(holdingsRead(admitted, 'compared with an export of the case system'));
  try {
    return await compare(read, authority, wholeRowsOf({ store, readiness }, code));
  } catch (error) {
    if (error instanceof StoreNotWhole) throw new LoadFailed(LOAD_FAILED.closedMeanwhile);
    throw error;
  }
}
