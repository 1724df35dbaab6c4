import { PARTITIONS } from '#schemas/nhs-number.ts';

/** A partition's audit stream, or `system` for events that concern no single child. */
export type AuditPartition = number | 'system';

export const partitions: readonly number[] = Array.from({ length: PARTITIONS }, (_, p) => p);

/** Made once: a lookup names four, and a text put together again also costs more to send. */
function ofPartition(name: string): (partition: number) => string {
  const keyOf = (partition: number): string => `cpf:{p${partition}}:${name}`;
  const made = partitions.map(keyOf);
  return (partition) => made[partition] ?? keyOf(partition);
}
const auditOf = ofPartition('audit');

/** Every key. Keys of one partition, and of one authority, share a hash slot. */
export const keys = {
  children: ofPartition('children'),
  accessLists: ofPartition('seen'),
  notInUse: ofPartition('not-in-use'),
  fence: ofPartition('fence'),
  audit: (partition: AuditPartition) =>
    partition === 'system' ? 'cpf:{system}:audit' : auditOf(partition),
  authority: (code: string) => `cpf:authority:{${code}}`,
  files: (code: string) => `cpf:authority:{${code}}:files`,
  withdrawals: (code: string) => `cpf:authority:{${code}}:withdrawals`,
  restrictions: (code: string) => `cpf:authority:{${code}}:restrictions`,
  lock: (code: string) => `cpf:authority:{${code}}:lock`,
  lockFence: (code: string) => `cpf:authority:{${code}}:fence`,
  /**
   * Lease on the settings of authorities and the list of expected ones. It and all leases below are among the
   * authorities' keys, which Redis users of earlier versions may write.
   */
  settingsLock: 'cpf:authority:{settings}:lock',
  settingsFence: 'cpf:authority:{settings}:fence',
  /** Lease on which audit log seals the events. */
  adoptionLock: 'cpf:authority:{adoption}:lock',
  adoptionFence: 'cpf:authority:{adoption}:fence',
  /** Lease on a MESH mailbox. */
  mailboxLock: (mailbox: string) => `cpf:authority:{mesh.${mailbox}}:lock`,
  mailboxFence: (mailbox: string) => `cpf:authority:{mesh.${mailbox}}:fence`,
  /** Lease of the worker, if the audit log has a second copy. */
  workerLock: 'cpf:authority:{worker}:lock',
  workerFence: 'cpf:authority:{worker}:fence',
  /** The number of the last worker to run. */
  workerAtWork: 'cpf:authority:{worker}:at-work',
  /** How much of each worker's state is in the log's second copy, by the worker's number. */
  workerState: 'cpf:authority:{worker}:state',
  dataset: 'cpf:dataset',
  open: 'cpf:open',
  /** Identifies the server; on its own disk only. */
  server: 'cpf:server',
  /** When a store verifier last checked. */
  heartbeat: 'cpf:heartbeat',
  blocked: 'cpf:blocked',
  /** Ended sessions of browser pages, by when they ended. */
  ended: 'cpf:ended',
  /** Something that may be done once: a form sent, a role chosen. */
  once: (what: string) => `cpf:{once}:${what}`,
  use: (window: number) => `cpf:{use}:${window}`,
  /** What each process reports about a minute, for the operator's page. */
  figures: (minute: number) => `cpf:{use}:figures:${minute}`,
  /** Written to see whether replicas acknowledge. */
  probe: 'cpf:{once}:probe',
} as const;

/** The beginning of `cpf:open` if the store verifier has closed the store; the rest says why and what to do. */
export const CLOSED = 'closed: ';

export const allChildrenKeys: readonly string[] = partitions.map(keys.children);
export const auditPartitions: readonly AuditPartition[] = [...partitions, 'system'];
