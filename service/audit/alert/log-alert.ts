import type { EnumerationAlertEvent } from '#schemas/audit/audit-event.ts';
import type { Log } from '../../telemetry/log.ts';

/** Logs that there was an alert; only the audit says whom it is about. */
export function logAlert(
  log: Log,
  { caller, sign, count }: Pick<EnumerationAlertEvent, 'caller' | 'sign' | 'count'>,
): void {
  log.warn('A user looks up numbers in an unusual way. The audit says who.', {
    cause: sign,
    client: caller.client,
    organisation: caller.organisation.code,
    count,
  });
}
