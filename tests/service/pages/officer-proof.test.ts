import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OFFICER_EVENT, OFFICER_PROOF, OFFICER_SEAL } from '#schemas/wording/officer.ts';
import { readKeys, retiredKeyLine } from '#service/audit/seal/keys.ts';
import { signCheckpoint } from '#service/audit/tlog/checkpoint.ts';
import { makeSigner, parseSigner, splitNote } from '#service/audit/tlog/note.ts';
import { numberText } from '#service/pages/look-up/result.ts';
import { visitorAs } from '../../support/desk.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import { hiddenOf, signedIn, type Visit, type Visitor, wordsOf } from '../../support/visitor.ts';
import { cosign, witnessSigner } from '../../support/witness.ts';

const CHILD = testNumber(8251);
const SEAL = '/officer/seal';
const CHECK = `${SEAL}/check`;
const WITNESS = witnessSigner('witness.test/w1');
const NUMBER = numberText(CHILD).replaceAll(/\s/g, ' ');
const HOSTILE = '"><script>alert(1)</script>';

let service: TestService;
let guardian: Visitor;
let officer: Visitor;
/** A proof of a lookup at ZZH01. */
let proof: string;

beforeAll(async () => {
  const witnesses = join(await testFolder(), 'witnesses');
  // Nobody answers there: what it has cosigned comes with the proofs.
  await writeFile(witnesses, `witness w1 ${WITNESS.key.text} http://localhost:1/\nquorum w1\n`);
  service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
    environment: { AUDIT_WITNESSES: witnesses },
  });
  guardian = await signedIn(service, 'caldicottGuardian');
  officer = await visitorAs(service, { organisation: 'ZZH01', scopes: ['audit'] });
  const { auditId } = (await (await service.answered({ nhsNumber: CHILD })).json()) as {
    auditId: string;
  };
  await until(async () => {
    const made = await guardian.send(`${SEAL}/proof`, { auditId, reason: 'court order' }, SEAL);
    proof = made.text;
    return made.status === 200;
  }, 'the sealing of the lookup');
});
afterAll(() => service?.stopAndRemove());

async function check(file: string | Uint8Array, by = guardian, name = 'x.tlog-proof') {
  const form = new FormData();
  form.append('token', hiddenOf(await by.get(SEAL), CHECK).token);
  form.append('file', new File([Buffer.from(file)], name));
  return untilAnswered(() =>
    by.ask(CHECK, {
      method: 'POST',
      headers: { origin: 'null', 'sec-fetch-site': 'same-origin' },
      body: form,
    }),
  );
}

const lastCheck = async () =>
  (await service.events()).findLast(
    (event) => event.type === 'audit-search' && event.report === 'proof-check',
  );

/** A file that was removed meanwhile, such as a partial tile, is empty. */
function bytesIn(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

const isProven = (page: Visit): boolean => page.heading === OFFICER_PROOF.proven;

test('a proof is checked, described in words and recorded, however it was copied', async () => {
  const [keys] = await readKeys(join(service.dataDir, 'audit-key'));
  const { name = '', id = '' } = keys?.verifierKey ?? {};
  const index = Number(/^index ([0-9]+)$/m.exec(proof)?.[1]);
  const utf16 = Buffer.from(`\uFEFF${proof.replaceAll('\n', '\r\n')}`, 'utf16le');
  for (const file of [proof, utf16]) {
    const page = await check(file);
    expect([page.status, page.heading]).toEqual([200, OFFICER_PROOF.proven]);
    const words = wordsOf(page);
    for (const said of [
      `at position ${index}, counted from 0`,
      `${name} (${id}). ${OFFICER_PROOF.keyInUse}`,
      OFFICER_PROOF.noTime,
      OFFICER_PROOF.notWitnessed,
      NUMBER,
      'cp-flags audit verify --key',
    ]) {
      expect(words).toContain(said);
    }
    expect(await lastCheck()).toMatchObject({
      by: 'Esi Demo',
      criteria: { result: 'proven', entry: index, nhsNumber: CHILD },
      eventsShown: 1,
    });
  }
  expect(wordsOf(await guardian.get(SEAL))).toContain(OFFICER_PROOF.outside);
});

/** The signed text of the checkpoint in the proof. */
function checkpointText(): string {
  const note = splitNote(Buffer.from(proof.slice(proof.indexOf('\n\n') + 2)));
  if (note.kind !== 'note') throw new Error(note.detail);
  return note.text;
}

test('a witness that cosigned the checkpoint is named with its time, and one that did not sign it is reported', async () => {
  const at = Date.UTC(2026, 10, 27, 8, 30);
  const cosigned = proof + cosign(WITNESS, checkpointText(), at / 1_000);
  const page = wordsOf(await check(cosigned));
  expect(page).toContain(`${WITNESS.key.name} (${WITNESS.key.id}), at 08:30 on 27 November 2026`);
  expect(page).not.toContain(OFFICER_PROOF.noTime);
  const forged = wordsOf(await check(proof + cosign(WITNESS, 'another text\n')));
  expect(forged).toContain(OFFICER_PROOF.falseWitness);
  expect(forged).toContain(OFFICER_PROOF.notWitnessed);
});

test('a proof of the time before a key was retired is good, and says since when the key no longer signs', async () => {
  const earlier = parseSigner(makeSigner(checkpointText().split('\n')[0] ?? ''));
  if (earlier === undefined) throw new Error('a key that was just made is not one');
  const { verifierKey } = earlier;
  const file = `${join(service.dataDir, 'audit-key')}.retired`;
  await writeFile(
    file,
    `${retiredKeyLine({ verifierKey, retiredAt: '2026-01-31T08:00:00.000Z' })}\n`,
  );
  const [origin = '', size = '', root = ''] = checkpointText().split('\n');
  const note = signCheckpoint(
    { origin, size: Number(size), root: Buffer.from(root, 'base64').toString('latin1') },
    [earlier],
  );
  const page = await check(proof.slice(0, proof.indexOf('\n\n') + 2) + note);
  expect(isProven(page)).toBe(true);
  expect(wordsOf(page)).toContain(OFFICER_PROOF.keyRetired('08:00 on 31 January 2026'));
});

test('a file that proves nothing says what is wrong with it, shows nothing in it, and leaves nothing behind', async () => {
  const line = /^extra (.*)$/m.exec(proof)?.[1] ?? '';
  const event = Buffer.from(line, 'base64').toString();
  const withEvent = (text: string) => proof.replace(line, Buffer.from(text).toString('base64'));
  const other = parseSigner(makeSigner('cp-flags/other'));
  const [head = ''] = proof.split('\n\n');
  const foreign = signCheckpoint({ origin: 'cp-flags/other', size: 99, root: '0'.repeat(32) }, [
    other as NonNullable<typeof other>,
  ]);
  const wrong: [keyof typeof OFFICER_PROOF.why, string | Uint8Array][] = [
    ['no-proof', ''],
    ['no-proof', HOSTILE],
    ['no-proof', Buffer.from([0x50, 0x4b, 3, 4, 0, 0xff, 0xfe, 0])],
    ['no-proof', head],
    ['no-event', proof.replace(/^extra .*\n/m, '')],
    ['checkpoint-malformed', `${head}\n\n${HOSTILE}\n`],
    ['checkpoint-changed', proof.replace(/\n([0-9]+)\n/, (_, size) => `\n${Number(size) + 1}\n`)],
    ['other-key', `${head}\n\n${foreign}`],
    ['not-in-log', withEvent(event.replace('"nurse', `"${HOSTILE.replaceAll('"', '')}`))],
    ['not-in-log', withEvent(HOSTILE)],
    ['not-in-log', proof.replace(/^index (.*)$/m, (_, index) => `index ${Number(index) + 1}`)],
  ];
  for (const [why, file] of wrong) {
    const page = await check(file, guardian, `${HOSTILE}.tlog-proof`);
    expect([why, page.status, page.heading]).toEqual([why, 200, OFFICER_PROOF.notProven]);
    expect(wordsOf(page)).toContain(OFFICER_PROOF.why[why]);
    expect(page.text).not.toContain('<script>alert');
    expect(page.text).not.toContain(CHILD);
    expect(wordsOf(page)).not.toContain(NUMBER);
    expect(await lastCheck()).toMatchObject({ criteria: { result: why }, eventsShown: 0 });
  }
  const left = readdirSync(service.dataDir, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => path.includes(HOSTILE) || bytesIn(path).includes('alert(1)'));
  expect(left).toEqual([]);
});

test('a file that is too large, or none, is reported at its field, and nothing is checked', async () => {
  const before = await lastCheck();
  const tooLarge = await check('x'.repeat(600 * 1024));
  expect([tooLarge.status, tooLarge.text.includes(OFFICER_PROOF.tooLarge)]).toEqual([413, true]);
  const huge = await check('x'.repeat(4 * 1024 * 1024));
  expect([huge.status, huge.text.includes(OFFICER_PROOF.tooLarge)]).toEqual([413, true]);
  const none = await check('', guardian, '');
  expect([none.status, none.text.includes(OFFICER_PROOF.choose)]).toEqual([400, true]);
  expect(await lastCheck()).toEqual(before);
});

test('an officer sees the event of a proof as in a search: one of their own people without plans, and no other', async () => {
  const own = await check(proof, officer);
  expect(isProven(own)).toBe(true);
  expect(wordsOf(own)).toContain(NUMBER);
  expect(wordsOf(own)).not.toContain('ZZ101');
  const stranger = await visitorAs(service, { organisation: 'ZZH99', scopes: ['audit'] });
  const other = await check(proof, stranger);
  expect(isProven(other)).toBe(true);
  expect(wordsOf(other)).toContain(OFFICER_PROOF.eventNotYours);
  expect(wordsOf(other)).not.toContain(NUMBER);
  expect(await lastCheck()).toMatchObject({ eventsShown: 0, view: 'organisation' });
});

test('the page of an event gives its proof to those who may have it, and to nobody else', async () => {
  const pageFor = async (visitor: Visitor) => {
    const typed = { number: CHILD, type: 'lookup', reason: 'court order' };
    const found = await visitor.send('/officer/search', typed, '/officer');
    const entry = /name="entry" value="([0-9]+)"/.exec(found.text)?.[1] ?? '';
    return visitor.post('/officer/event', { ...hiddenOf(found, '/officer/event'), entry });
  };
  await until(
    async () => (await pageFor(guardian)).heading === OFFICER_EVENT.title,
    'the index of the lookup',
  );
  const page = await pageFor(guardian);
  expect(wordsOf(page)).toContain(OFFICER_SEAL.proofThen);
  const made = await guardian.post(`${SEAL}/proof`, hiddenOf(page, `${SEAL}/proof`));
  expect([made.status, made.headers.get('content-disposition')]).toEqual([
    200,
    expect.stringContaining('.tlog-proof'),
  ]);
  expect((await check(made.text)).heading).toBe(OFFICER_PROOF.proven);
  expect((await pageFor(officer)).heading).toBe(OFFICER_EVENT.title);
  expect((await pageFor(officer)).text).not.toContain(`${SEAL}/proof`);
});

test('the page of an event gives the proof of that event, also if another has its audit id, and the audit id alone gives none', async () => {
  const auditId = randomUUID();
  const whys = ['the first one', 'the second one'];
  for (const reason of whys) {
    const event = {
      type: 'event-missing',
      auditId,
      by: 'A. Operator',
      detail: { reason },
    } as const;
    await service.store.appendEvent(event);
  }
  const typed = { type: 'event-missing', reason: 'court order' };
  const search = () => guardian.send('/officer/search', typed, '/officer');
  const entriesIn = ({ text }: Visit) =>
    [...text.matchAll(/name="entry" value="([0-9]+)"/g)].map(([, entry = '']) => entry);
  let found = await search();
  await until(async () => {
    found = await search();
    return entriesIn(found).length === whys.length;
  }, 'the index of both');
  const proven: string[] = [];
  for (const entry of entriesIn(found)) {
    const form = hiddenOf(found, '/officer/event');
    const page = await guardian.post('/officer/event', { ...form, entry });
    const shown = whys.filter((why) => wordsOf(page).includes(why));
    const { status, text } = await guardian.post(`${SEAL}/proof`, hiddenOf(page, `${SEAL}/proof`));
    const event = Buffer.from(/^extra (.*)$/m.exec(text)?.[1] ?? '', 'base64').toString();
    const inProof = whys.filter((why) => event.includes(why));
    expect([status, /^index ([0-9]+)$/m.exec(text)?.[1], inProof]).toEqual([200, entry, shown]);
    proven.push(...inProof);
  }
  expect(proven.toSorted()).toEqual(whys);
  const unclear = await guardian.send(`${SEAL}/proof`, { auditId, reason: 'court order' }, SEAL);
  expect([unclear.status, unclear.heading]).toEqual([409, OFFICER_SEAL.several]);
});
