import type { UploadSource } from '#loaders/load/load.ts';
import { reconcile as compare, readExtract } from '#loaders/reconcile/reconcile.ts';
import type { Authority } from '#schemas/authority.ts';
import type { Reconciliation } from '#schemas/uploads/reconciliation.ts';
import type { WayIn } from '#schemas/wording/files.ts';
import type { Store } from '#store/store.ts';
import type { AdmittedAuthority } from './guarded-authority.ts';
import { holdingsRead } from './holdings.ts';

export type ComparingDependencies = {
  store: Pick<Store, 'intakeState' | 'rowsOf' | 'appendEvent'>;
  loads: { spoolDir: string; maxBytes: number };
};

/**
 * Compares an extract of a case system with what is held for its authority, recorded before any holdings are
 * read. Changes nothing.
 *
 * @throws {LoadFailed} if the extract or the disk failed
 */
export async function compareExtract(
  { store, loads }: ComparingDependencies,
  admitted: AdmittedAuthority,
  authority: Authority,
  source: UploadSource,
  way: WayIn,
): Promise<Reconciliation> {
  const { code } = authority;
  const extract = await readExtract(source, {
    authority: code,
    columns: (await store.intakeState(code)).columns,
    spoolDir: loads.spoolDir,
    maxBytes: loads.maxBytes,
    way,
  });
  await store.appendEvent(holdingsRead(admitted, 'compared with an extract of the case system'));
  return compare(extract, authority, store.rowsOf(code));
}
