import { cpSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { makeSigner, parseSigner } from '#service/audit/tlog/note.ts';
import { keys } from '#store/keys.ts';
import { run } from '../support/processes.ts';
import { startTestService, type TestService, testFolder, until } from '../support/service.ts';
import { WAIT_MS } from '../support/test-store.ts';
import { startWitness, type TestWitness, witnessesText } from '../support/witness.ts';

/** Only somebody outside can tell an old copy of the whole data folder, including its anchor, from the newest one. */

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function place() {
  const folder = await testFolder();
  const text = makeSigner('cp-flags/test');
  const key = parseSigner(text)?.verifierKey;
  if (key === undefined) throw new Error('not a key');
  const witness = await startWitness(() => [key]);
  closing.push(() => witness.close());
  const [keyFile, witnessesFile] = [join(folder, 'key'), join(folder, 'witnesses')];
  await writeFile(keyFile, `${text}\n`, { mode: 0o600 });
  await writeFile(witnessesFile, witnessesText([witness], 1));
  const environment = { AUDIT_KEY_FILE: keyFile, AUDIT_WITNESSES: witnessesFile };
  return {
    folder,
    witness,
    environment,
    async start(dataDir: string, kind: 'demo' | 'none'): Promise<TestService> {
      const authorities = [{ code: 'ZZ101', rows: [{ nhsNumber: '9990000018' as never }] }];
      const service = await startTestService({ kind, authorities, dataDir, environment });
      closing.push(() => service.stopAndRemove());
      return service;
    },
  };
}

async function checks(service: TestService): Promise<Record<string, string>> {
  const answer = await fetch(`${service.baseUrl}/_status`);
  const { checks: all } = (await answer.json()) as {
    checks: Record<string, { status: string; outcome: string }[]>;
  };
  return Object.fromEntries(
    Object.entries(all).map(([name, [one]]) => [name, `${one?.status}: ${one?.outcome}`]),
  );
}

const answered = async (service: TestService): Promise<number> =>
  (await service.lookup({ nhsNumber: '9990000018' })).status;

/** Makes one more lookup, whose event is then sealed and witnessed. */
async function lookUp(service: TestService, { known }: TestWitness): Promise<number> {
  const before = known.size;
  await until(async () => (await answered(service)) === 200, 'an answer');
  return before;
}

test(
  'an old copy of the whole data folder is refused until a named person confirms it, on record',
  async () => {
    const { folder, witness, start, environment } = await place();
    const [newest, copy] = [join(folder, 'newest'), join(folder, 'copy')];
    const first = await start(newest, 'demo');
    await lookUp(first, witness);
    await until(() => witness.known.size > 0, 'a cosignature');
    await first.stop();
    cpSync(newest, copy, { recursive: true });

    const second = await start(newest, 'none');
    const before = witness.known.size;
    await lookUp(second, witness);
    await until(() => witness.known.size > before, 'a newer cosignature');
    // The witness knows the checkpoint before its cosignature arrives.
    await until(
      async () =>
        /^pass: .*1 of 1 witness is needed/.test((await checks(second))['audit-witnessed'] ?? ''),
      'the cosignature to be checked',
    );
    await until(async () => {
      const { stdout } = await run(['status'], { DATA_DIR: newest, ...environment });
      return (
        /^ {2}Checkpoints of the audit log are cosigned: 1 of 1/m.test(stdout) &&
        /^ {2}witness\.test\/w1: \d+ entr(?:y|ies) at \d\d:\d\d (?:GMT|BST) on /m.test(stdout)
      );
    }, 'the status to say what is cosigned');
    await second.stop();

    const asked = Promise.withResolvers<void>();
    witness.hold = asked.promise;
    const sealed = readFileSync(join(copy, 'audit', 'checkpoint'));
    const old = await start(copy, 'none');
    // No more than five: a worker that has had no answer for five seconds continues, and seals.
    for (let i = 0; i < 5; i++) expect(await answered(old)).toBe(503);
    asked.resolve();
    await until(async () => (await checks(old))['audit-witnessed']?.includes('old copy') === true);
    expect(await answered(old)).toBe(503);
    await until(async () => (await checks(old))['audit-sealed']?.includes('old copy') === true);
    await until(
      async () =>
        (await checks(old))['store:opened']?.includes('cp-flags confirm old-copy') === true,
      'the check to say what to do',
    );

    expect(readFileSync(join(copy, 'audit', 'checkpoint'))).toEqual(sealed);

    const confirm = ['confirm', 'old-copy', '--by', 'A. Example', '--reason', 'the newest is lost'];
    const { code, stderr } = await run(confirm, { DATA_DIR: copy, ...environment });
    expect([code, stderr]).toEqual([0, '']);
    // This makes the worker look now, rather than up to ten seconds later.
    await old.admin.del(keys.open);
    await until(async () => (await answered(old)) === 200, 'an answer once it is confirmed');
    const event = (await old.events()).find(({ type }) => type === 'old-copy-confirmed');
    expect(event).toMatchObject({ by: 'A. Example' });
    expect(JSON.stringify(event)).toContain(
      'The witness witness.test/w1 knows this audit log with',
    );
  },
  4 * WAIT_MS,
);

test(
  'if no witness answers, the service starts and says that the copy could not be compared',
  async () => {
    const { folder, witness, start } = await place();
    const first = await start(join(folder, 'data'), 'demo');
    await until(() => witness.known.size > 0, 'a cosignature');
    await first.stop();
    await witness.close();
    closing.shift();
    const again = await start(join(folder, 'data'), 'none');
    await until(async () => (await answered(again)) === 200, 'an answer');
    await until(
      async () => (await checks(again))['audit-witnessed']?.includes('ECONNREFUSED') === true,
    );
    await until(async () => (await checks(again))['audit-sealed']?.startsWith('pass') === true);
  },
  4 * WAIT_MS,
);

test('a faulty witnesses file stops the start with a message that names the line', async () => {
  const { folder, start, environment } = await place();
  await writeFile(environment.AUDIT_WITNESSES, 'witness A x https://a.test\nquorum A\n');
  await expect(start(join(folder, 'data'), 'demo')).rejects.toThrow(
    /^AUDIT_WITNESSES: .*witnesses, line 1: expected witness NAME KEY ADDRESS/,
  );
});
