import { LOAD_FAILED } from '#schemas/wording/loads.ts';

/** The machine failed, not the file: there is no acknowledgement, and the message says what to do. */
export class LoadFailed extends Error {
  override name = 'LoadFailed';
}

/** Ends a load before it has changed anything. @throws {LoadFailed} once the process was told to stop */
export function unlessStopped(stopped: AbortSignal | undefined): void {
  if (stopped?.aborted === true) throw new LoadFailed(LOAD_FAILED.stopped);
}
