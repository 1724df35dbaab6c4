import type { OwnCheck } from '#schemas/status.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import type { AdmissionContext } from '../admission/admission-context.ts';
import { type Identities, identityChecks } from '../admission/identities.ts';
import { auditFolder } from '../files/data-folder.ts';
import type { WatchedFiles } from '../files/watched-files.ts';
import { type TlsMaterial, tlsCheck } from '../http/tls.ts';
import { type CoverageLimits, coverageCheck, shareCheck } from '../lookup/coverage.ts';
import type { Browsers } from './browsers.ts';
import type { StartContext } from './context.ts';
import {
  watchAccessContext,
  watchAudit,
  watchChecks,
  watchExpiry,
  watchFolders,
  watchForeignWrites,
  watchMesh,
  watchNotifications,
  watchReadiness,
  watchWitnesses,
} from './gauges.ts';
import type { Lookups } from './lookups.ts';
import { watchOwnDisk } from './own-disk.ts';
import type { Worker } from './worker.ts';

type HealthDependencies = {
  readiness: Readiness;
  admissionContext: AdmissionContext;
  identities: Identities;
  tls: WatchedFiles<TlsMaterial> | undefined;
  limits: CoverageLimits;
  lookups: Lookups | undefined;
  worker: Worker | undefined;
  browsers: Pick<Browsers, 'checks'> | undefined;
};

/**
 * Adds the metrics of every part that runs.
 *
 * @returns what they say in `/_status` besides the store
 */
export function watchHealth(
  {
    configuration,
    telemetry,
    log,
    add,
  }: Pick<StartContext, 'configuration' | 'telemetry' | 'log' | 'add'>,
  {
    readiness,
    admissionContext,
    identities,
    tls,
    limits,
    lookups,
    worker,
    browsers,
  }: HealthDependencies,
): () => OwnCheck[] {
  const ownDisk = watchOwnDisk(configuration.DATA_DIR, log);
  add(ownDisk.stop);
  const checks = (): OwnCheck[] => [
    ownDisk.check(),
    ...(worker?.checks() ?? []),
    ...identityChecks(identities, admissionContext.isDemo()),
    coverageCheck(readiness, limits),
    ...(lookups === undefined ? [] : [shareCheck(readiness.authorities, lookups.coverage())]),
    ...admissionContext.checks(),
    ...(browsers?.checks() ?? []),
    ...(tls === undefined ? [] : [tlsCheck(tls)]),
  ];
  const audit = worker && auditFolder(configuration);
  telemetry.watch(watchAccessContext(admissionContext.measured));
  telemetry.watch(watchReadiness(readiness, limits));
  telemetry.watch(watchChecks(readiness, checks));
  telemetry.watch(watchExpiry(tls && (() => tls.value.expiresAt), identities.issuers));
  if (worker !== undefined) {
    telemetry.watch(watchAudit(worker.audit));
    if (worker.witnessed !== undefined) telemetry.watch(watchWitnesses(worker.witnessed));
    telemetry.watch(watchForeignWrites(worker.foreign.read));
    telemetry.watch(watchNotifications(worker.notifications));
    if (worker.mesh !== undefined) telemetry.watch(watchMesh(worker.mesh));
  }
  telemetry.watch(
    watchFolders({ data: configuration.DATA_DIR, ...(audit !== undefined && { audit }) }),
  );
  return checks;
}
