import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeControl } from '#loaders/inbox/mesh-control.ts';
import { seeded } from '../../support/audit.ts';
import { startMeshServer } from '../../support/mesh-server.ts';
import { openQuickClient, workItOff } from '../../support/mesh-work.ts';
import { cpFlags } from '../../support/processes.ts';
import { SEED } from '../../support/seed.ts';
import { startTestService, testFolder, until } from '../../support/service.ts';
import { fileXml, person, planOf, upload } from '../../support/upload-model.ts';

/** `npm run test:faults` tries every step. */
const KILLS = Number(process.env['MESH_KILLS'] ?? '4');
const AT_ONCE = 2;

/** Takes complete pairs out of the inbox, as the intake does. */
async function takeIn(inbox: string, taken: Map<string, string[]>): Promise<void> {
  const names = await readdir(inbox);
  for (const data of names.filter((name) => name.endsWith('.dat'))) {
    const control = data.replace(/dat$/, 'ctl');
    if (!names.includes(control)) continue;
    const id = data.slice(0, -4);
    taken.set(id, [...(taken.get(id) ?? []), await readFile(join(inbox, data), 'utf8')]);
    await rm(join(inbox, control));
    await rm(join(inbox, data));
  }
}

/**
 * Kills a client before its step `dieAt`, lets another finish, and compares. @returns the number of steps, if it lived
 */
async function killAt(dieAt: number): Promise<number | undefined> {
  const server = await startMeshServer();
  const folder = await mkdtemp(join(tmpdir(), 'cpf-mesh-killed-'));
  try {
    for (const name of ['mesh', 'inbox', 'outbox']) await mkdir(join(folder, name));
    const messages = [server.put({ data: 'one' }), server.put({ data: ['two, ', 'in parts'] })];
    const answers = ['short', randomBytes(3_000).toString('hex')];
    for (const [i, text] of answers.entries()) {
      await writeFile(join(folder, 'outbox', `answer-${i}.dat`), text);
      await writeFile(
        join(folder, 'outbox', `answer-${i}.ctl`),
        writeControl({
          from: 'X26CPF1',
          to: 'X26ABC1',
          workflowId: 'TEST_WORKFLOW_ACK',
          subject: '',
          localId: '',
          partnerId: '',
        }),
      );
    }
    await writeFile(join(folder, 'connection.json'), JSON.stringify(server.connection()));
    const script = join(import.meta.dirname, '..', '..', 'support', 'mesh-and-die.ts');
    const args = [script, folder, join(folder, 'connection.json'), String(dieAt)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
    await once(child, 'close');
    expect(child.signalCode ?? child.exitCode).toBe(said === '' ? 'SIGKILL' : 0);

    const taken = new Map<string, string[]>();
    await takeIn(join(folder, 'inbox'), taken);
    const client = await openQuickClient(folder, server.connection());
    await workItOff(client, 2);
    await takeIn(join(folder, 'inbox'), taken);
    // The messages are listed again, as if MESH had lost the acknowledgements.
    for (const message of messages) message.status = 'accepted';
    await until(async () => {
      await client.step();
      return messages.every(({ status }) => status === 'acknowledged');
    }, 'what is listed again to be acknowledged again');
    await takeIn(join(folder, 'inbox'), taken);
    client.close();

    const where = `killed before step ${dieAt}`;
    expect(Object.fromEntries(taken), where).toEqual({
      [messages[0]?.id ?? '']: ['one'],
      [messages[1]?.id ?? '']: ['two, in parts'],
    });
    const sent = server.collect('X26ABC1').map(({ text }) => text);
    expect(sent.toSorted(), where).toEqual(answers.toSorted());
    expect(await readdir(join(folder, 'outbox')), where).toEqual([]);
    expect(await readdir(join(folder, 'mesh', 'receiving')), where).toEqual([]);
    expect(server.refusals, where).toEqual([]);
    return said === '' ? undefined : Number(said);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

test.runIf(KILLS > 4)(
  'cp-flags mesh, killed again and again, loads every upload and answers each one once',
  async () => {
    const server = await startMeshServer();
    const folder = await testFolder();
    const service = await startTestService({ authorities: [{ code: 'ZZ101' }, { code: 'ZZ102' }] });
    try {
      const environment = {
        ...(await server.environment(folder)),
        DATA_DIR: service.dataDir,
        INBOX_POLL_SECONDS: '0.1',
      };
      const files = 12;
      for (let n = 0; n < files; n++) {
        const [authority, from] = n % 2 === 0 ? ['ZZ101', 'X26ABC1'] : ['ZZ102', 'X26ABC2'];
        const data = fileXml(
          upload({ authority, sequence: 10 + n, records: [planOf(60_000 + n)] }),
        );
        const workflow = n % 2 === 0 ? 'TEST_WORKFLOW' : 'OTHER_UPLOAD';
        server.put({ from, data, headers: { 'mex-workflowid': workflow } });
      }
      const answered = (): string[] =>
        ['X26ABC1', 'X26ABC2'].flatMap((mailbox) =>
          server.sentTo(mailbox).map(({ headers }) => headers['mex-subject'] ?? ''),
        );
      for (const after of [1, 3, 5, 7, 9]) {
        const client = cpFlags(['mesh'], environment);
        await until(() => answered().length >= after || client.gone(), 'some answers');
        client.kill('SIGKILL');
        await client.ended;
      }
      const last = cpFlags(['mesh'], environment);
      await until(() => new Set(answered()).size === files, 'every answer');
      last.kill('SIGTERM');
      expect(await last.ended).toMatchObject({ code: 0 });
      const due = Array.from(
        { length: files },
        (_, n) => `Acknowledgement of file ${10 + n}: CPF02`,
      );
      expect(answered().toSorted()).toEqual(due.toSorted());
      for (let n = 0; n < files; n++) {
        const looked = await service.answered({ nhsNumber: person(60_000 + n).nhsNumber });
        expect(await looked.json()).toMatchObject({ outcome: 'flagged' });
      }
    } finally {
      await service.stopAndRemove();
      await server.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  },
  300_000,
);

test(`a client killed before any of its steps continues without losing or repeating anything (seed ${SEED})`, async () => {
  const steps = await killAt(0);
  if (steps === undefined) throw new Error('it was not to be killed');
  expect(steps).toBeGreaterThan(40);
  const random = seeded(SEED);
  const points = Array.from({ length: steps }, (_, i) => i + 1)
    .map((point) => ({ point, order: random(1_000_000) }))
    .toSorted((one, other) => one.order - other.order)
    .slice(0, KILLS)
    .map(({ point }) => point);
  await Promise.all(
    Array.from({ length: AT_ONCE }, async (_, worker) => {
      for (let i = worker; i < points.length; i += AT_ONCE) await killAt(points[i] ?? 0);
    }),
  );
}, 600_000);
