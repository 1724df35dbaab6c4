import { join } from 'node:path';
import type { MeshConnection } from '#service/mesh/exchange.ts';
import {
  type MeshClient,
  type MeshClientOptions,
  openMeshClient,
} from '#service/mesh/mesh-client.ts';
import type { Sent } from '#service/mesh/mesh-file.ts';
import { until, WAIT_MS } from './until.ts';

/** A client that does everything due as soon as it can, in a folder laid out like that of a service. */
export function openQuickClient(
  folder: string,
  connection: MeshConnection,
  differing: Partial<MeshClientOptions> = {},
): Promise<MeshClient> {
  return openMeshClient({
    connection: async () => connection,
    mailbox: connection.mailbox,
    folder: join(folder, 'mesh'),
    inbox: join(folder, 'inbox'),
    outboxes: [{ path: join(folder, 'outbox'), again: false }],
    maxBytes: 1_000_000,
    isOurs: ({ workflowId }) => workflowId === 'TEST_WORKFLOW',
    currentContent: () => undefined,
    pollMs: 1,
    tell: () => undefined,
    deadlines: { idleDeadlineMs: WAIT_MS, retryMs: 1 },
    chunkBytes: 2_000,
    settleMs: 5,
    trackMs: 5,
    record: () => Promise.resolve(),
    ...differing,
  });
}

/** Lets the client work until nothing waits to be fetched or sent. */
export async function workItOff(client: MeshClient, messages: number): Promise<void> {
  await until(async () => {
    await client.step();
    const { waiting } = client.file.counts();
    return waiting === 0 && client.file.receivedIn('done').length === messages;
  }, 'all of it to be done');
}

/** A message about which a person may decide. */
export const FAILED_MESSAGE: Sent = {
  key: '0'.repeat(32),
  name: 'answer',
  recipient: 'X26ABC1',
  workflowId: 'TEST_WORKFLOW_ACK',
  subject: '',
  state: 'failed',
  attempt: 1,
  messageId: 'before',
  chunks: 1,
  chunksSent: 1,
  tries: 0,
  addedAt: Date.now(),
  changedAt: Date.now(),
  notBefore: 0,
  code: '14',
  detail: '',
};
