import { readFile } from 'node:fs/promises';
import { isUpload, type MeshOptions } from '#loaders/inbox/decision.ts';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import { acknowledgementOf, mailboxesFileSchema } from '#schemas/uploads/mesh.ts';
import { MESH } from '#schemas/wording/mesh.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { auditFolder, meshFolder } from '../files/data-folder.ts';
import { readSettingFile } from '../files/setting-file.ts';
import { outboxOf } from '../notifications/notification-settings.ts';
import { currentContent } from '../notifications/outbox.ts';
import type { MeshConnection } from './exchange.ts';
import { type MeshClientOptions, UnusableSecret } from './mesh-client.ts';

/** The settings of pairs from MESH, for the help: what reads another does not compile. */
export const PAIR_SETTINGS = [
  'MESH_WORKFLOW_ID',
  'MESH_ACK_WORKFLOW_ID',
  'MESH_MAILBOX',
  'MESH_MAILBOXES_FILE',
] as const satisfies readonly (keyof Configuration)[];

/** The settings of a mailbox that is worked on by the MESH API. */
export const MAILBOX_SETTINGS = [
  'MESH_URL',
  'MESH_PASSWORD_FILE',
  'MESH_SHARED_KEY_FILE',
  'MESH_CERT_FILE',
  'MESH_KEY_FILE',
  'MESH_CA_FILE',
  'MESH_POLL_SECONDS',
  'NOTIFICATIONS_OUTBOX',
  'AUDIT_DIR',
  'MAX_UPLOAD_MIB',
  ...PAIR_SETTINGS,
] as const satisfies readonly (keyof Configuration)[];

/**
 * How pairs and messages of MESH are decided on. `undefined` if no workflow is ours.
 *
 * @throws {ConfigurationError}
 */
export async function meshOptions(
  configuration: Pick<Configuration, (typeof PAIR_SETTINGS)[number]>,
  kind: Dataset['kind'] | undefined,
): Promise<MeshOptions | undefined> {
  const { MESH_WORKFLOW_ID, MESH_ACK_WORKFLOW_ID, MESH_MAILBOX, MESH_MAILBOXES_FILE } =
    configuration;
  if (MESH_WORKFLOW_ID === undefined) return undefined;
  if (MESH_MAILBOXES_FILE === undefined && kind !== 'demo') {
    throw new ConfigurationError(
      'MESH_MAILBOXES_FILE: required with MESH_WORKFLOW_ID, unless the dataset is a demo.',
    );
  }
  const mailboxes =
    MESH_MAILBOXES_FILE === undefined
      ? undefined
      : await readSettingFile('MESH_MAILBOXES_FILE', MESH_MAILBOXES_FILE, mailboxesFileSchema);
  return {
    workflowId: MESH_WORKFLOW_ID,
    acknowledgementWorkflowId: MESH_ACK_WORKFLOW_ID ?? acknowledgementOf(MESH_WORKFLOW_ID),
    ...(MESH_MAILBOX !== undefined && { mailbox: MESH_MAILBOX }),
    mailboxes: mailboxes && new Map(Object.entries(mailboxes)),
  };
}

/** @throws {UnusableSecret} */
async function secretIn(setting: string, path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UnusableSecret(MESH.secret(setting, path, error.code ?? error.name));
  });
  if (text.trim() === '') throw new UnusableSecret(MESH.secretEmpty(setting, path));
  return text;
}

/** The configuration of a mailbox that is used through the MESH API. */
export type MailboxSettings = Pick<
  MeshClientOptions,
  'connection' | 'mailbox' | 'folder' | 'maxBytes' | 'isOurs' | 'currentContent' | 'pollMs'
> & {
  url: string;
  mesh: MeshOptions;
  /** Where notifications are kept, including those for mailboxes. */
  notifications: string | undefined;
};

const MIB = 1_048_576;

/**
 * `undefined` if MESH_URL is not set.
 *
 * @throws {ConfigurationError}
 */
export async function mailboxSettings(
  configuration: Pick<Configuration, 'DATA_DIR' | (typeof MAILBOX_SETTINGS)[number]>,
  kind: Dataset['kind'] | undefined,
): Promise<MailboxSettings | undefined> {
  const { MESH_URL: url, MESH_MAILBOX: mailbox, MESH_CERT_FILE, MESH_KEY_FILE } = configuration;
  const { MESH_CA_FILE, MESH_PASSWORD_FILE, MESH_SHARED_KEY_FILE } = configuration;
  if (url === undefined || mailbox === undefined) return undefined;
  const mesh = await meshOptions(configuration, kind);
  if (mesh === undefined) return undefined;
  const ca = async () =>
    MESH_CA_FILE === undefined ? {} : { ca: await secretIn('MESH_CA_FILE', MESH_CA_FILE) };
  return {
    url,
    mailbox,
    mesh,
    folder: meshFolder(configuration, mailbox),
    maxBytes: configuration.MAX_UPLOAD_MIB * MIB,
    pollMs: configuration.MESH_POLL_SECONDS * 1_000,
    notifications: outboxOf(configuration, kind),
    currentContent: (name) => currentContent(auditFolder(configuration), name),
    isOurs: ({ workflowId, from }) => isUpload(mesh, workflowId, from ?? ''),
    async connection(): Promise<MeshConnection> {
      const password = await secretIn('MESH_PASSWORD_FILE', MESH_PASSWORD_FILE ?? '');
      const sharedKey = await secretIn('MESH_SHARED_KEY_FILE', MESH_SHARED_KEY_FILE ?? '');
      return {
        url,
        mailbox,
        // A file written by an editor ends with a line break, which does not count.
        password: password.replace(/\r?\n$/, ''),
        sharedKey: sharedKey.replace(/\r?\n$/, ''),
        ...(MESH_CERT_FILE !== undefined &&
          MESH_KEY_FILE !== undefined && {
            tls: {
              cert: await secretIn('MESH_CERT_FILE', MESH_CERT_FILE),
              key: await secretIn('MESH_KEY_FILE', MESH_KEY_FILE),
              ...(await ca()),
            },
          }),
      };
    },
  };
}
