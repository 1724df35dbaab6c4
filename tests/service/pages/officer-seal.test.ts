import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OFFICER_SEAL } from '#schemas/wording/officer.ts';
import { FRAME } from '#schemas/wording/pages.ts';
import { parsePublicKey, readKeys, retiredKeyLine } from '#service/audit/seal/keys.ts';
import { makeSigner, openNote, parseSigner } from '#service/audit/tlog/note.ts';
import { verifyProof } from '#service/audit/verify/verify-proof.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { signedIn, type Visit, type Visitor, wordsOf } from '../../support/visitor.ts';

const CHILD = testNumber(8201);
const SEAL = '/officer/seal';

let service: TestService;
let guardian: Visitor;
let officer: Visitor;
let auditId: string;

beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
  guardian = await signedIn(service, 'caldicottGuardian');
  officer = await signedIn(service, 'privacyOfficer');
  ({ auditId } = (await (await service.answered({ nhsNumber: CHILD })).json()) as {
    auditId: string;
  });
  await until(async () => (await prove(auditId)).status === 200, 'the sealing of the lookup');
});
afterAll(() => service?.stopAndRemove());

async function prove(id: string, typed: Record<string, string> = { reason: 'court order' }) {
  return guardian.send(`${SEAL}/proof`, { auditId: id, ...typed }, SEAL);
}

async function verify(): Promise<Visit> {
  const started = await guardian.send(`${SEAL}/verify`, {}, SEAL);
  expect([started.status, started.headers.get('location')]).toEqual([303, SEAL]);
  const running = await guardian.get(SEAL);
  if (running.title.startsWith(OFFICER_SEAL.runningTitle)) {
    // Only one runs at a time: the page offers no second one, and follows the progress by itself.
    expect(running.text).not.toContain(`action="${SEAL}/verify"`);
    const reload = `${SEAL}?reloaded=yes`;
    expect(running.headers.get('refresh')).toBe(`3; url=${reload}`);
    expect(wordsOf(running)).not.toContain('0 of 0');
    expect(running.headers.getSetCookie()).toEqual([]);
    // The focus goes to the heading once, and again when there is a result.
    expect(running.text).toContain(' autofocus');
    const reloaded = await guardian.get(reload);
    expect(reloaded.text.includes(' autofocus')).toBe(!reloaded.headers.has('refresh'));
  }
  let page = running;
  await until(async () => {
    page = await guardian.get(SEAL);
    return !page.title.startsWith(OFFICER_SEAL.runningTitle);
  }, 'the verification');
  return page;
}

test('the state is described in words, and a verification is started, followed, stored and recorded', async () => {
  let before = '';
  await until(async () => {
    before = wordsOf(await guardian.get(SEAL));
    return /[0-9]+ events are sealed\. The newest was recorded at [0-9]{2}:[0-9]{2}( BST| GMT)? on [0-9]+ [A-Z][a-z]+ 20[0-9]{2}/.test(
      before,
    );
  }, 'the index of what is sealed');
  expect(before).toContain(OFFICER_SEAL.neverVerified);
  const page = wordsOf(await verify());
  expect(page).toMatch(/Nothing was changed\. All [0-9]+ events .* at the request of Esi Demo\./);
  expect(page).not.toContain(OFFICER_SEAL.continues);
  // The next verification also compares the log with the checkpoint of this one.
  expect(wordsOf(await verify())).toContain(OFFICER_SEAL.continues);
  expect((await service.events()).filter(({ type }) => type === 'audit-verified')).toMatchObject([
    {
      by: 'Esi Demo',
      detail: { outcome: 'whole', findings: 0, account: 'demo-guardian (cp-flags-demo)' },
    },
    { detail: { outcome: 'whole' } },
  ]);
  const kept = await readFile(join(service.dataDir, 'audit-verification.json'), 'utf8');
  expect(JSON.parse(kept)).toMatchObject({ whole: true, by: 'Esi Demo' });
});

test('a proof contains the event, can be checked with the public key alone, and is recorded with its reason', async () => {
  const proof = await prove(auditId.toUpperCase());
  expect(proof.headers.get('content-disposition')).toBe(
    `attachment; filename="${auditId.toUpperCase()}.tlog-proof"`,
  );
  const keys = (await readKeys(join(service.dataDir, 'audit-key'))).map((key) => key.verifierKey);
  const proven = verifyProof(Buffer.from(proof.text), keys);
  expect(proven).toMatchObject({
    kind: 'proven',
    entry: expect.stringContaining(auditId) as unknown,
  });
  expect((await service.events()).findLast(({ type }) => type === 'audit-search')).toMatchObject({
    report: 'proof',
    reason: 'court order',
    eventsShown: 1,
    by: 'Esi Demo',
  });
});

test('an event that cannot be proven gets a page that says so, and a mistake is reported at its field', async () => {
  const unknown = await prove('00000000-0000-4000-8000-000000000000');
  expect([unknown.status, unknown.heading]).toEqual([404, OFFICER_SEAL.notProven]);
  const wrong = await prove('"><script>', { reason: '' });
  expect(wrong.status).toBe(400);
  for (const field of ['auditId', 'reason']) expect(wrong.text).toContain(`href="#${field}"`);
  expect(wrong.text).not.toContain('"><script>');
});

test('the checkpoint file contains nobody’s details', async () => {
  for (const visitor of [guardian, officer]) {
    const file = await visitor.get(`${SEAL}/checkpoint`);
    expect(file.headers.get('content-disposition')).toMatch(/^attachment; filename="checkpoint-/);
    expect(file.text).toMatch(/^cp-flags\/[^\n]+\n[0-9]+\n[A-Za-z0-9+/=]+\n\n— /);
  }
});

test('the file of public keys verifies a proof and a checkpoint, and later includes the retired keys too', async () => {
  const keyFile = join(service.dataDir, 'audit-key');
  const keysOf = async (visitor: Visitor) => {
    const file = await visitor.get(`${SEAL}/key`);
    expect(file.headers.get('content-disposition')).toMatch(/^attachment; filename="public-key-/);
    expect(file.text).not.toContain('PRIVATE');
    return file.text.trimEnd().split('\n').map(parsePublicKey);
  };
  const proof = Buffer.from((await prove(auditId)).text);
  const checkpoint = Buffer.from((await guardian.get(`${SEAL}/checkpoint`)).text);
  for (const visitor of [guardian, officer]) {
    const keys = (await keysOf(visitor)).flatMap((key) =>
      key === undefined || 'retiredAt' in key ? [] : [key],
    );
    expect(verifyProof(proof, keys)).toMatchObject({ kind: 'proven' });
    expect(openNote(checkpoint, keys)).toMatchObject({ kind: 'signed' });
  }
  const earlier = parseSigner(makeSigner('cp-flags/earlier'))?.verifierKey;
  if (earlier === undefined) throw new Error('a key that was just made is not one');
  const retiredAt = '2026-01-31T08:00:00.000Z';
  await writeFile(`${keyFile}.retired`, `${retiredKeyLine({ verifierKey: earlier, retiredAt })}\n`);
  expect(await keysOf(guardian)).toMatchObject([
    {},
    { verifierKey: { text: earlier.text }, retiredAt },
  ]);
});

test('an organisation’s officer sees the state, but cannot verify or prove, since a proof contains a whole event', async () => {
  const page = await officer.get(SEAL);
  expect(page.status).toBe(200);
  expect(page.text).not.toContain(`action="${SEAL}/verify"`);
  expect(page.text).not.toContain(`action="${SEAL}/proof"`);
  expect(wordsOf(page)).toContain(OFFICER_SEAL.onlyOperator);
  expect(wordsOf(await guardian.get(SEAL))).not.toContain(OFFICER_SEAL.onlyOperator);
  const form = await officer.form('/officer', '/officer/search');
  const tried = await officer.post(`${SEAL}/proof`, { ...form, auditId, reason: 'x1' });
  expect([tried.status, tried.heading]).toEqual([404, FRAME.notFound]);
});

test('a changed record is reported, with where it is, and the last good state is kept', async () => {
  const entries = join(service.dataDir, 'audit', 'tile', 'entries', '000.p');
  let page = '';
  // Sealing rewrites the whole file, so the change is made again until it is noticed.
  await until(async () => {
    for (const name of readdirSync(entries)) {
      try {
        const bytes = readFileSync(join(entries, name));
        const at = bytes.indexOf('ataset-created');
        // The sealer has opened a new file, and not written it yet.
        if (at < 1) continue;
        bytes.write('x', at - 1);
        writeFileSync(join(entries, name), bytes, { flag: 'r+' });
      } catch (error) {
        // The sealer has put a longer file in its place.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    page = wordsOf(await verify());
    return page.includes(OFFICER_SEAL.notWhole);
  }, 'the fault to be found');
  expect(page).toMatch(/found 1 fault\. .* entry [0-9]+ was changed/);
  const kept = JSON.parse(
    await readFile(join(service.dataDir, 'audit-verification.json'), 'utf8'),
  ) as object;
  expect(kept).toMatchObject({ whole: false, checkpoint: expect.any(String) as unknown });
});
