import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type MadeUpRecord, startMadeUpPds } from '#loaders/synthetic/made-up-pds.ts';
import { keyPair } from '../support/pds.ts';
import { freePort } from '../support/ports.ts';
import { root } from '../support/processes.ts';
import { startTestService, testFolder, until } from '../support/service.ts';
import { fileXml, person, planOf, upload } from '../support/upload-model.ts';
import { absent, type Finding, judged, lastLines, type Ran, run } from './tools.ts';

/** The NHS's own sandbox and client for MESH. */
const SANDBOX = '1.0.137';
const CLIENT = '5.0.2';
const TOOL = `mesh-sandbox ${SANDBOX} and mesh-client ${CLIENT}`;

const messageSchema = z.object({
  workflow: z.string(),
  subject: z.string().nullable(),
  local_id: z.string().nullable(),
  text: z.string(),
});
type Message = z.infer<typeof messageSchema>;

async function install(cache: string): Promise<{ bin: string } | { failed: Ran }> {
  const python = join(cache, 'mesh');
  const bin = join(python, 'bin');
  if (existsSync(join(python, 'whole'))) return { bin };
  const made = await run('python3', ['-m', 'venv', python]);
  if (made.code !== 0) return { failed: made };
  const installed = await run(join(bin, 'pip'), [
    ['install', '-q', `mesh-sandbox==${SANDBOX}`, `mesh-client==${CLIENT}`],
  ]);
  if (installed.code !== 0) return { failed: installed };
  await writeFile(join(python, 'whole'), '');
  return { bin };
}

const API_KEY = 'made-up';
/** Children for whom PDS answers with each code, in this order. */
const REFUSED = [70_003, 70_004, 70_005, 70_006] as const;
const CODES = ['CPR01', 'CPR02', 'CPR05', 'CPR03'];

/** Two children as their council knows them, and one for each case in which a record is refused. */
function knownToPds(): Map<string, MadeUpRecord> {
  const known = (n: number) => {
    const { nhsNumber, dateOfBirth, given, family } = person(n);
    return { nhsNumber, dateOfBirth, names: [{ given: [given], family }] };
  };
  const [, sensitive, superseded, minimal] = REFUSED.map((n) => person(n).nhsNumber);
  return new Map<string, MadeUpRecord>([
    ...[70_001, 70_002].map((n): [string, MadeUpRecord] => [person(n).nhsNumber, known(n)]),
    [sensitive ?? '', { nhsNumber: sensitive ?? '', security: 'R' }],
    [superseded ?? '', known(70_007)],
    [minimal ?? '', { nhsNumber: minimal ?? '' }],
  ]);
}

/**
 * Everything together. A council sends an upload with mesh-client through the sandbox, it is traced by a simulated PDS,
 * and a lookup finds it. Its acknowledgement and the notification about that lookup arrive in the council's mailbox.
 */
export async function mesh(cache: string): Promise<Finding[]> {
  const installed = await install(cache);
  if ('failed' in installed) return absent(TOOL, installed.failed);
  const folder = await testFolder();
  const { pem, publicKey } = await keyPair();
  const pds = await startMadeUpPds({ apiKey: API_KEY, publicKey, records: knownToPds() });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const sandbox = spawn(
    join(installed.bin, 'uvicorn'),
    ['mesh_sandbox.api:app', '--host', '127.0.0.1', '--port', String(port), '--log-level', 'error'],
    { env: { ...process.env, SHARED_KEY: 'TestKey', STORE_MODE: 'memory' }, stdio: 'ignore' },
  );
  const script = join(root, 'tests/strangers/mesh_party.py');
  const party = (...args: string[]): Promise<Ran> =>
    run(join(installed.bin, 'python'), [script, url, ...args]);
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  try {
    await until(async () => (await party('read')).code === 0, 'the sandbox');
    const notifications = { ZZ101: { formats: ['xml'], mailbox: 'X26ABC1' } };
    const service = await startTestService({
      authorities: [{ code: 'ZZ101' }],
      environment: {
        MESH_URL: url,
        MESH_MAILBOX: 'X26ABC2',
        MESH_PASSWORD_FILE: await write('password', 'password\n'),
        MESH_SHARED_KEY_FILE: await write('key', 'TestKey\n'),
        MESH_POLL_SECONDS: '1',
        MESH_WORKFLOW_ID: 'TEST_WORKFLOW',
        MESH_NOTIFICATION_WORKFLOW_ID: 'TEST_WORKFLOW_ACK',
        MESH_MAILBOXES_FILE: await write('mailboxes.json', '{ "X26ABC1": "ZZ101" }'),
        NOTIFICATIONS_FILE: await write('notifications.json', JSON.stringify(notifications)),
        NOTIFICATIONS_WINDOW_MINUTES: '0.01',
        TRACING: 'pds',
        PDS_URL: pds.url,
        PDS_API_KEY: API_KEY,
        PDS_KEY_ID: 'one',
        PDS_KEY_FILE: await write('pds-key.pem', pem),
        PDS_PER_SECOND: '1000',
      },
    });
    const received: Message[] = [];
    async function collect(): Promise<void> {
      const { output } = await party('read');
      for (const line of output.split('\n')) {
        if (line.startsWith('{')) received.push(messageSchema.parse(JSON.parse(line)));
      }
    }
    try {
      const sendings = [
        ['413', [70_001], '100000000', 'plain'],
        ['414', REFUSED, '100000000', 'plain'],
        ['415', [70_002], '500', 'gzip'],
      ] as const;
      for (const [sequence, children, chunk, packing] of sendings) {
        const records = children.map((n) => planOf(n));
        const xml = fileXml(upload({ sequence: Number(sequence), records }));
        const file = await write(`upload-${sequence}.xml`, xml);
        const sent = await party('send', file, chunk, packing, `upload-${sequence}.xml`);
        if (sent.code !== 0) return [judged(TOOL, sent, '')];
        const of = `Acknowledgement of file ${sequence}: `;
        await until(async () => {
          await collect();
          return received.some(({ subject }) => subject?.startsWith(of) === true);
        }, `the acknowledgement of file ${sequence}`);
      }
      const outcomes = await Promise.all(
        [70_001, 70_002].map(async (n) => {
          const looked = await service.lookup({ nhsNumber: person(n).nhsNumber });
          return z.object({ outcome: z.string() }).parse(await looked.json()).outcome;
        }),
      );
      const told = (): Message[] =>
        received.filter(({ text }) => text.includes(person(70_001).nhsNumber));
      await until(async () => {
        await collect();
        return told().length > 0;
      }, 'the notification');
      const codes = received
        .map(({ subject }) => /^Acknowledgement of file ([0-9]+): (CPF[0-9]+)$/.exec(subject ?? ''))
        .flatMap((found) => (found === null ? [] : [`${found[1]} ${found[2]}`]));
      const refused = received.find(({ subject }) => subject?.includes('file 414'))?.text ?? '';
      const reasons = [...refused.matchAll(/code="(CPR[0-9]+)"/g)].map(([, code]) => code);
      const found = JSON.stringify([codes.toSorted(), reasons, outcomes]);
      const due = JSON.stringify([
        ['413 CPF02', '414 CPF04', '415 CPF02'],
        CODES,
        ['flagged', 'flagged'],
      ]);
      return [
        judged(
          TOOL,
          { code: found === due ? 0 : 1, output: `${found}, and not ${due}` },
          'uploads whole and in packed parts are in and traced, found by lookups, and answered',
        ),
      ];
    } catch (error) {
      const output = `${String(error)}\n${lastLines(service.lines.join(''), 20)}`;
      return [judged(TOOL, { code: 1, output }, '')];
    } finally {
      await service.stopAndRemove();
    }
  } finally {
    const gone = once(sandbox, 'close');
    sandbox.kill();
    await gone;
    await pds.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
