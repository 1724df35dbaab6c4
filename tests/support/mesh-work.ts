import { join } from 'node:path';
import type { MeshConnection } from '#service/mesh/exchange.ts';
import { type MeshClient, openMeshClient } from '#service/mesh/mesh-client.ts';

/** A client that does all that is due as soon as it can, in a folder laid out as a service lays it out. */
export function openQuickClient(folder: string, connection: MeshConnection): Promise<MeshClient> {
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
    deadlines: { idleDeadlineMs: 2_000, retryMs: 1 },
    chunkBytes: 2_000,
    settleMs: 5,
    trackMs: 5,
  });
}

/** Has it work until nothing waits to be fetched or sent. */
export async function workItOff(client: MeshClient, messages: number): Promise<void> {
  for (let step = 0; step < 200; step++) {
    await client.step();
    const { waiting } = client.file.counts();
    if (waiting === 0 && client.file.receivedIn('done').length === messages) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`not worked off: ${JSON.stringify(client.file.state())}`);
}
