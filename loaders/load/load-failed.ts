import { connectionFault } from '#store/connection/connection.ts';
import type { Store } from '#store/store.ts';
import { SourceFailed } from '../formats/common/source.ts';

/** The machine failed, not the file: there is no acknowledgement, and the message says what to do. */
export class LoadFailed extends Error {
  override name = 'LoadFailed';
}

/**
 * The cause is put in words and dropped: a client's error carries the command it failed on, and with it
 * NHS numbers.
 */
export function asLoadFailed(error: unknown, begun: boolean): LoadFailed {
  if (error instanceof LoadFailed) return error;
  if (error instanceof SourceFailed) return new LoadFailed(`${error.message} Nothing was changed.`);
  const message =
    connectionFault(error) ?? (error instanceof Error ? error.message : 'unknown failure');
  const safe = message
    .replaceAll(/[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}/g, '##########')
    .slice(0, 300);
  return new LoadFailed(
    begun
      ? `The load was cut short and will be resumed: ${safe} Load the file again, or start the service.`
      : `The file was not loaded and nothing was changed: ${safe} Put that right and load the file again.`,
  );
}

/**
 * Nothing is written to a store that was not verified since Redis last started: it might be an older copy,
 * and what is loaded into one is lost when the right one is put back.
 *
 * @throws {LoadFailed}
 */
export async function requireOpen(store: Store): Promise<void> {
  if (await store.isOpen()) return;
  throw new LoadFailed(
    'The store has not been verified since Redis last started, so nothing was changed. A process with role all or worker verifies it: see `cp-flags status`, then do this again.',
  );
}
