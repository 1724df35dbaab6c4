import type { Configuration } from '#schemas/configuration.ts';
import { MESH } from '#schemas/wording/mesh.ts';
import { meshFolder } from '../files/data-folder.ts';
import { MeshFile } from './mesh-file.ts';

/** A process that works on the mailbox writes a sign of life every ten seconds. */
const HEARD_OF_WITHIN_MS = 60_000;

/** The state of the mailbox, as far as its file shows. */
export function meshStatusIn(file: MeshFile, now: number) {
  const state = file.state();
  // Even if it was reported by a clock that has been put back since.
  const silent = state === undefined || Math.abs(now - Date.parse(state.at)) > HEARD_OF_WITHIN_MS;
  const detail = silent ? MESH.nobody(state?.at ?? 'the beginning') : state.detail;
  return { ok: !silent && !state.problem, detail, ...file.counts() };
}

/** The state of the mailbox, as far as its folder shows; `undefined` if there is none. */
export function meshStatus({ MESH_MAILBOX, DATA_DIR }: Configuration, now: number) {
  if (MESH_MAILBOX === undefined) return undefined;
  return MeshFile.use(meshFolder({ DATA_DIR }, MESH_MAILBOX), (file) => meshStatusIn(file, now));
}
