import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { messageToDecide } from '#service/mesh/decide-message.ts';
import { localIdOf, MeshFile } from '#service/mesh/mesh-file.ts';
import { type MeshServer, startMeshServer } from '../../support/mesh-server.ts';
import { FAILED_MESSAGE, openQuickClient } from '../../support/mesh-work.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

let t: TestStore;
let server: MeshServer;
beforeAll(async () => {
  [t, server] = await Promise.all([startTestStore({ kind: 'demo' }), startMeshServer()]);
});
afterAll(async () => {
  await Promise.all([t.stop(), server.stop()]);
});

const LATER_MS = 60_000;

const script = join(import.meta.dirname, '..', '..', 'support', 'decide-and-die.ts');
async function decideAndDie(folder: string, what: string, dieAt: number): Promise<boolean> {
  const args = [script, join(folder, 'mesh'), localIdOf(FAILED_MESSAGE), what];
  const child = spawn(process.execPath, [...args, join(folder, 'anchor'), String(dieAt)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { socketPath, users } = t.server;
  child.stdin.end(JSON.stringify({ socketPath, ...users.loader }));
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
  await once(child, 'close');
  expect(child.signalCode ?? child.exitCode).toBe(said === '' ? 'SIGKILL' : 0);
  return said === '';
}

test.each(['resend', 'drop'])(
  'wherever a process is killed while somebody decides to %s a message, what is on record is carried out, and what is not is offered again',
  async (what) => {
    let dieAt = 1;
    for (let wasKilled = true; wasKilled; dieAt++) {
      const folder = await mkdtemp(join(tmpdir(), 'cpf-mesh-decided-'));
      for (const name of ['mesh', 'mesh/sending', 'inbox', 'outbox', 'anchor']) {
        await mkdir(join(folder, name));
      }
      await writeFile(join(folder, 'mesh', 'sending', FAILED_MESSAGE.key), 'an answer');
      const file = MeshFile.open(join(folder, 'mesh'));
      file.addSent(FAILED_MESSAGE);
      file.close();
      const before = (await t.adminStore.readEvents('system')).length;
      wasKilled = await decideAndDie(folder, what, dieAt);

      const client = await openQuickClient(folder, server.connection(), {
        record: (event) => t.store.appendEvent(event),
        clock: () => Date.now() + LATER_MS,
      });
      await client.step();
      const events = await t.adminStore.readEvents('system', before + 1);
      const recorded = new Set(
        events
          .filter(({ type }) => type === 'mesh-resent' || type === 'mesh-dropped')
          .map(({ auditId }) => auditId),
      );
      const row = client.file.sent(FAILED_MESSAGE.key);
      const isDone = what === 'drop' ? row?.state === 'dropped' : row?.attempt === 2;
      const isOffered = messageToDecide(client.file, localIdOf(FAILED_MESSAGE)) !== undefined;
      const where = `killed before step ${dieAt}`;
      expect([recorded.size, isDone, isOffered], where).toEqual(
        recorded.size === 1 ? [1, true, false] : [0, false, true],
      );
      client.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
    expect(dieAt).toBeGreaterThan(3);
  },
);
