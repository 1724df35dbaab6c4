import { MESH } from '#schemas/wording/mesh.ts';
import type { meshStatus } from '../mesh/mesh-status.ts';

/** Prints the state of MESH, and how much needs a decision. */
export function printMeshStatus(status: NonNullable<ReturnType<typeof meshStatus>>): void {
  const { ok, detail, unfetched, left, waiting, undelivered, failed, unclear } = status;
  const toSeeTo = failed + unclear > 0 ? ` ${MESH.toSeeTo(failed, unclear)}` : '';
  console.log(`MESH: ${ok ? detail : `PROBLEM: ${detail}`}`);
  if (left > 0) console.log(`  ${MESH.left(left)}`);
  console.log(`  ${MESH.waits(unfetched, waiting)} ${MESH.undelivered(undelivered)}${toSeeTo}`);
}
