import { withinLimit } from '#schemas/alert-thresholds.ts';
import { ConfigurationError } from '#schemas/configuration.ts';
import { LIVE_LIMITS } from '../admission/limits/limits.ts';
import { type Audit, startAudit } from '../audit/audit.ts';
import { startWitnessedLog, type WitnessedLog } from '../audit/witness/witness.ts';
import { readWitnesses } from '../audit/witness/witnesses-file.ts';
import {
  anchorFolder,
  auditFolder,
  auditIndexFile,
  auditKeyFile,
  numberKeyFile,
  privacyOutbox,
} from '../files/data-folder.ts';
import type { StartContext } from './context.ts';
import type { OneWorker } from './one-worker.ts';
import type { RedisServer } from './redis.ts';

/**
 * The outside witnesses that cosign the audit log, if there are any.
 *
 * @throws {ConfigurationError}
 */
export function startWitnesses({
  configuration,
  log,
  add,
}: StartContext): WitnessedLog | undefined {
  const { AUDIT_WITNESSES } = configuration;
  if (AUDIT_WITNESSES === undefined) return undefined;
  const read = readWitnesses(AUDIT_WITNESSES, 'ask');
  if (read.kind === 'wrong') throw new ConfigurationError(`AUDIT_WITNESSES: ${read.detail}`);
  const settings = { folder: auditFolder(configuration), witnessesFile: AUDIT_WITNESSES };
  const witnessed = startWitnessedLog(settings, log);
  add(() => witnessed.stop());
  return witnessed;
}

/** The sealing of audit events into the log. */
export function startSealing(
  { configuration, log, add }: StartContext,
  redis: RedisServer,
  witnessed: WitnessedLog | undefined,
  oneWorker: OneWorker | undefined,
): Audit {
  const { AUDIT_ORIGIN, AUDIT_RETENTION_YEARS } = configuration;
  const { ALERT_UNSCHEDULED_CHILDREN, ALERT_CHILDREN, USER_LIMIT } = configuration;
  const audit = startAudit(
    {
      folder: auditFolder(configuration),
      indexFile: auditIndexFile(configuration),
      keyFile: auditKeyFile(configuration),
      ...(AUDIT_ORIGIN !== undefined && { origin: AUDIT_ORIGIN }),
      retentionYears: AUDIT_RETENTION_YEARS,
      anchorFolder: anchorFolder(configuration),
      address: redis.address('worker'),
      ...(oneWorker !== undefined && {
        copy: {
          place: oneWorker.copy,
          epoch: oneWorker.lease.epoch,
          token: oneWorker.lease.token,
        },
      }),
      alerting: {
        numberKeyFile: numberKeyFile(configuration),
        outbox: privacyOutbox(configuration),
        thresholds: withinLimit(
          { unscheduled: ALERT_UNSCHEDULED_CHILDREN, all: ALERT_CHILDREN },
          USER_LIMIT ?? LIVE_LIMITS.user,
        ),
      },
    },
    log,
    { after: witnessed?.compared },
  );
  add(() => audit.stop());
  return audit;
}
