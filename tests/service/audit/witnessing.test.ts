import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { CommitFile } from '#service/audit/log/commit.ts';
import { COSIGNED_CHECKPOINT, readCosignedFile } from '#service/audit/log/log-folder.ts';
import { openCheckpoint, signCheckpoint } from '#service/audit/tlog/checkpoint.ts';
import { answeredCosignature, cosignaturesOf } from '#service/audit/tlog/cosignature.ts';
import { parseVerifierKey, parseWitnessKey, splitNote } from '#service/audit/tlog/note.ts';
import { tilePath } from '#service/audit/tlog/tiles.ts';
import { proveEntry } from '#service/audit/verify/prove.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import { verifyProof } from '#service/audit/verify/verify-proof.ts';
import { parseWitnesses } from '#service/audit/witness/witnesses-file.ts';
import { startWitnessing, type Witnessing } from '#service/audit/witness/witnessing.ts';
import {
  copyOf,
  eventSource,
  makeLog,
  ORIGIN,
  openLog,
  removeAuditFolders,
  signerOf,
} from '../../support/audit.ts';
import { run } from '../../support/processes.ts';
import { until, WAIT_MS } from '../../support/test-store.ts';
import {
  cosign,
  startWitness,
  type TestWitness,
  witnessesText,
  witnessSigner,
} from '../../support/witness.ts';

const signer = signerOf();
const keys = [signer.verifierKey];
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  removeAuditFolders();
});

async function witness(name?: string): Promise<TestWitness> {
  const started = await startWitness(() => keys, name);
  closing.push(() => started.close());
  return started;
}

/** For tests in which these deadlines have to pass. All other deadlines are longer than a slow machine needs. */
const SOON = { deadlineMs: 500, renewMs: 400 };

/** The witnessing of the log in a folder, and what it said last. */
function witnessing(
  folder: string,
  witnesses: readonly TestWitness[],
  required = 1,
  { deadlineMs = WAIT_MS, renewMs = 2 * WAIT_MS }: Partial<typeof SOON> = {},
) {
  const parsed = parseWitnesses(witnessesText(witnesses, required));
  if (parsed.kind === 'wrong') throw new Error(parsed.detail);
  let last: Witnessing | undefined;
  const started = startWitnessing({
    folder,
    witnesses: parsed.witnesses,
    tell: (state) => (last = state),
    deadlineMs,
    lookEveryMs: 5,
    retryMs: 20,
    renewMs,
  });
  closing.push(() => started.stop());
  return {
    last: () => last,
    said: (part: string) => until(() => last?.detail.includes(part) === true, part),
    witnessedUpTo: (size: number) =>
      until(() => (last?.witnessed?.size ?? -1) >= size, `${size} entries to be witnessed`),
  };
}

function append(folder: string, count: number, seed = 7, source = eventSource(seed)): void {
  const log = openLog(folder, signer);
  log.append(source.take(count));
  log.close();
}

/** What the cosigned checkpoint shows somebody who has the keys: its size and who cosigned it. */
function cosigned(folder: string, witnesses: readonly TestWitness[]) {
  const note = readFileSync(join(folder, COSIGNED_CHECKPOINT));
  const opened = openCheckpoint(note, keys);
  const split = splitNote(note);
  if (opened.kind !== 'signed' || split.kind !== 'note') throw new Error('not a checkpoint');
  const witnessKeys = witnesses.map((one) => one.signer.key);
  const { cosignatures } = cosignaturesOf(split.text, split.signatures, witnessKeys);
  return { size: opened.checkpoint.size, by: cosignatures.map(({ by }) => by.name) };
}

describe('a witness that works', () => {
  test('cosigns each new checkpoint, and its cosignature is kept beside the plain checkpoint', async () => {
    const { folder } = makeLog(300, signer);
    const one = await witness();
    const going = witnessing(folder, [one]);
    await going.witnessedUpTo(300);
    expect(cosigned(folder, [one])).toEqual({ size: 300, by: ['witness.test/w1'] });
    append(folder, 900);
    await going.witnessedUpTo(1_200);
    expect(cosigned(folder, [one])).toEqual({ size: 1_200, by: ['witness.test/w1'] });
    expect(readFileSync(join(folder, 'checkpoint'), 'utf8').match(/^\u2014/gm)).toHaveLength(1);
    expect(going.last()).toMatchObject({ problem: false, contradicted: false });
  });

  test('is brought up to date by a proof from the size that it gives', async () => {
    const { folder } = makeLog(300, signer);
    const one = await witness();
    const first = witnessing(folder, [one]);
    await first.witnessedUpTo(300);
    await closing.pop()?.();
    append(folder, 70_000);
    await witnessing(folder, [one]).witnessedUpTo(70_300);
    expect(one.known.size).toBe(70_300);
    expect(one.asked).toContain(300);
  });

  test('cosigns the newest checkpoint again even if it has not changed, so that silence would be noticed', async () => {
    const { folder } = makeLog(3, signer);
    const one = await witness();
    const going = witnessing(folder, [one], 1, { renewMs: SOON.renewMs });
    await until(() => one.asked.length > 2, 'several cosignatures');
    one.instead = (response) => void response.destroy();
    await going.said('has not been witnessed since');
    expect(going.last()).toMatchObject({ problem: true, contradicted: false });
  });

  test('gets one request at a time, however many checkpoints are signed meanwhile', async () => {
    const { folder } = makeLog(10, signer);
    const one = await witness();
    const answers: (() => void)[] = [];
    one.instead = (response, note) =>
      new Promise((resolve) => {
        answers.push(() => {
          const split = splitNote(Buffer.from(note));
          response.end(split.kind === 'note' ? cosign(one.signer, split.text) : '');
          resolve();
        });
      });
    const going = witnessing(folder, [one]);
    await until(() => answers.length === 1, 'a request');
    for (let i = 0; i < 5; i++) append(folder, 10, i + 10);
    await delay(50);
    expect(answers).toHaveLength(1);
    answers[0]?.();
    await until(() => answers.length === 2, 'the next request');
    answers[1]?.();
    await going.witnessedUpTo(60);
    expect(one.mostAtOnce).toBe(1);
  });
});

describe('if there are several witnesses', () => {
  test('as many as needed must cosign the same checkpoint, and a silent one does not delay the others', async () => {
    const { folder } = makeLog(20, signer);
    const all = [await witness('a.test/w'), await witness('b.test/w'), await witness('c.test/w')];
    const [, , mute] = all;
    if (mute !== undefined) mute.instead = () => undefined;
    const going = witnessing(folder, all, 2, { deadlineMs: SOON.deadlineMs });
    await going.witnessedUpTo(20);
    expect(cosigned(folder, all).by).toEqual(['a.test/w', 'b.test/w']);
    await going.said('c.test/w has not cosigned since');
    expect(going.last()).toMatchObject({ problem: false });
  });

  test('and too few cosign, that is reported, and the newest checkpoint cosigned by enough is kept', async () => {
    const { folder } = makeLog(20, signer);
    const all = [await witness('a.test/w'), await witness('b.test/w')];
    const going = witnessing(folder, all, 2, { renewMs: SOON.renewMs });
    await going.witnessedUpTo(20);
    const [, other] = all;
    if (other !== undefined) other.instead = (response) => void response.destroy();
    append(folder, 5);
    await until(() => all[0]?.known.size === 25, 'the first to cosign');
    await going.said('b.test/w has not cosigned since');
    expect(cosigned(folder, all)).toEqual({ size: 20, by: ['a.test/w', 'b.test/w'] });
    await going.said('has not been witnessed since');
  });
});

describe('a witness that contradicts the log', () => {
  const contradictions = (folder: string) =>
    CommitFile.lookIfThere(folder, (commits) => commits.contradictions());

  test('reveals an old copy by the size that it knows', async () => {
    const { folder } = makeLog(50, signer);
    const old = copyOf(folder);
    append(folder, 25);
    const one = await witness();
    await witnessing(folder, [one]).witnessedUpTo(75);
    const going = witnessing(old, [one]);
    await going.said('knows this audit log with 75 entries, and here it has 50');
    expect(going.last()).toMatchObject({ problem: true, contradicted: true });
    expect(contradictions(old)).toMatchObject([{ name: 'witness.test/w1', size: 75, ours: 50 }]);
    expect(readCosignedFile(old)).toBeUndefined();
    expect(contradictions(folder)).toEqual([]);
  });

  test.each([
    ['beyond', 60],
    ['exactly to', 25],
    ['not as far as', 10],
  ])('reveals a fork that was continued %s the size that it knows', async (_, more) => {
    const { folder } = makeLog(50, signer);
    const old = copyOf(folder);
    append(folder, 25);
    const one = await witness();
    await witnessing(folder, [one]).witnessedUpTo(75);
    append(old, more, 8);
    await witnessing(old, [one]).said('knows');
    expect(contradictions(old)).toMatchObject([{ size: 75, ours: 50 + more }]);
  });

  test('reveals another root at its own size with a 409 as well, as some witnesses answer', async () => {
    const { folder } = makeLog(50, signer);
    const one = await witness();
    one.instead = (response) => void response.writeHead(409).end('50\n');
    const going = witnessing(folder, [one]);
    await going.said('knows the first 50 entries of this audit log, and they are not those here');
  });

  test('does not count if another process has sealed more meanwhile', async () => {
    const { folder } = makeLog(50, signer);
    const one = await witness();
    one.instead = (response) => {
      one.instead = undefined;
      append(folder, 25);
      response.writeHead(409).end('75\n');
    };
    const going = witnessing(folder, [one]);
    await going.witnessedUpTo(75);
    expect(contradictions(folder)).toEqual([]);
  });

  test('is not confused with files that were damaged here', async () => {
    const { folder } = makeLog(300, signer);
    const one = await witness();
    await witnessing(folder, [one]).witnessedUpTo(300);
    await closing.pop()?.();
    append(folder, 400);
    const path = join(folder, tilePath(0, 1));
    const tile = readFileSync(path);
    tile[0] = (tile[0] ?? 0) ^ 1;
    writeFileSync(path, tile);
    const going = witnessing(folder, [one]);
    await going.said('the files of the log do not lead to what it knows');
    expect(going.last()).toMatchObject({ contradicted: false });
    expect(contradictions(folder)).toEqual([]);
  });

  test('is believed the second time if this process had its cosignature before, because a replaced worker ends first', async () => {
    const { folder } = makeLog(50, signer);
    const one = await witness();
    const going = witnessing(folder, [one], 1, { renewMs: SOON.renewMs });
    await going.witnessedUpTo(50);
    let answers = 0;
    const later = Promise.withResolvers<void>();
    one.instead = async (response) => {
      if (++answers === 2) await later.promise;
      response.writeHead(409).end('75\n');
    };
    await until(() => answers === 2, 'the second request');
    expect(contradictions(folder)).toEqual([]);
    later.resolve();
    await going.said('knows this audit log with 75 entries');
  });

  test('no longer counts once it cosigns a log of that size, for instance after a worker has caught up', async () => {
    const { folder } = makeLog(80, signer);
    const one = await witness();
    const commits = CommitFile.open(folder);
    const { name, text } = one.signer.key;
    const at = new Date().toISOString();
    commits.noteContradiction(text, { name, size: 75, ours: 50, at });
    commits.noteContradiction('another', { name: 'another', size: 75, ours: 50, at });
    commits.close();
    await witnessing(folder, [one]).witnessedUpTo(80);
    expect(contradictions(folder)).toMatchObject([{ name: 'another' }]);
  });

  test('can be overruled once by a named person, and again if it then knows even more', async () => {
    const { folder } = makeLog(50, signer);
    const one = await witness();
    await witnessing(folder, [one]).witnessedUpTo(50);
    const old = copyOf(folder);
    append(folder, 25);
    const newer = witnessing(folder, [one]);
    await newer.witnessedUpTo(75);
    const going = witnessing(old, [one]);
    await going.said('75 entries');
    const commits = CommitFile.open(old);
    commits.answerForContradictions(commits.contradictions());
    commits.close();
    await going.said('cosigns nothing more');
    expect(going.last()).toMatchObject({ contradicted: false, problem: true });
    // The copy itself would call that recent.
    expect(going.last()?.detail).toContain('has not been witnessed since');
    append(old, 60, 8);
    await delay(60);
    expect(contradictions(old)).toEqual([]);
    // The newer copy is still in use somewhere.
    append(folder, 5, 9);
    await newer.witnessedUpTo(80);
    await going.said('knows the first 80 entries');
    expect(contradictions(old)).toMatchObject([{ size: 80 }]);
  });
});

describe('a witness that does not work is reported, and says nothing about the log', () => {
  const other = witnessSigner('witness.test/w1');
  const renamed = witnessSigner('witness.test/other');
  const textOf = (note: string): string => {
    const split = splitNote(Buffer.from(note));
    return split.kind === 'note' ? split.text : '';
  };
  const answers: [string, NonNullable<TestWitness['instead']>, string][] = [
    ['mute', () => undefined, 'no whole answer in time'],
    [
      'slow',
      (response) => void response.writeHead(200).write('\u2014 '),
      'no whole answer in time',
    ],
    ['gone', (response) => void response.destroy(), 'UND_ERR_SOCKET'],
    ['without this log', (response) => void response.writeHead(404).end(), 'status 404'],
    [
      'with an endless answer',
      (response) => void response.writeHead(200).end('\u2014 '.repeat(100_000)),
      'too long an answer',
    ],
    [
      'that redirects elsewhere',
      (response) => void response.writeHead(307, { location: '/elsewhere' }).end(),
      'status 307',
    ],
    [
      'with a conflict that gives no size',
      (response) => void response.writeHead(409).end('x'),
      '409',
    ],
    [
      'with an invalid size',
      (response) => void response.writeHead(409).end('99999999999999999999\n'),
      '409 without a size',
    ],
    ['that is empty', (response) => void response.end(), 'has no cosignature'],
    [
      'with a signature over another checkpoint',
      (response, note) => void response.end(cosign(other, textOf(note).replace('50', '51'))),
      'has no cosignature',
    ],
    [
      'with a key of another name',
      (response, note) => void response.end(cosign(renamed, textOf(note))),
      'has no cosignature',
    ],
    [
      'with another key of its name',
      (response, note) => void response.end(cosign(other, textOf(note))),
      'has no cosignature',
    ],
  ];

  test.each(answers)('%s', async (_, instead, why) => {
    const { folder } = makeLog(50, signer);
    const one = await witness();
    one.instead = instead;
    const going = witnessing(folder, [one], 1, { deadlineMs: SOON.deadlineMs });
    await going.said(why);
    await going.said('could not be compared');
    expect(going.last()).toMatchObject({ problem: true, contradicted: false, asked: true });
    expect(readCosignedFile(folder)).toBeUndefined();
    expect(CommitFile.lookIfThere(folder, (commits) => commits.contradictions())).toEqual([]);
  });
});

describe('verifying a log', () => {
  const verify = (folder: string, all: readonly TestWitness[], required = 1) => {
    const parsed = parseWitnesses(witnessesText(all, required));
    if (parsed.kind === 'wrong') throw new Error(parsed.detail);
    return verifyLog({ folder, keys, witnesses: parsed.witnesses, waitMs: 0 });
  };

  test('says who witnessed how much and when, and what is not witnessed yet', async () => {
    const { folder, source } = makeLog(300, signer);
    const all = [await witness('a.test/w'), await witness('b.test/w')];
    const before = Date.now() - 1_000;
    await witnessing(folder, all, 2).witnessedUpTo(300);
    await closing.pop()?.();
    append(folder, 20, 0, source);
    const { findings, witnessed, to } = await verify(copyOf(folder), all, 2);
    expect([findings, witnessed?.size, to]).toEqual([[], 300, 320]);
    expect(witnessed?.by.map(({ name }) => name.split(' ')[0])).toEqual(['a.test/w', 'b.test/w']);
    for (const { at } of witnessed?.by ?? []) expect(Date.parse(at)).toBeGreaterThan(before);
  });

  test('lists the witnesses with cp-flags audit verify --witnesses, and exits with 3 if too few have cosigned', async () => {
    const { folder, source } = makeLog(30, signer);
    const [one, other] = [await witness('a.test/w'), await witness('b.test/w')];
    await witnessing(folder, [one]).witnessedUpTo(30);
    await closing.pop()?.();
    append(folder, 1, 0, source);
    const path = join(folder, 'witnesses');
    const verifyBy = (all: readonly TestWitness[]) => {
      writeFileSync(path, witnessesText(all, all.length));
      const key = signer.verifierKey.text;
      return run(['audit', 'verify', '--key', key, '--witnesses', path, folder], {});
    };
    const [enough, tooFew] = [await verifyBy([one]), await verifyBy([one, other])];
    const { name, id } = one.signer.key;
    const line = `Witnessed: 30 entries by ${name} (${id}) at `;
    expect(enough.stdout).toContain(line);
    expect(enough.stdout).toMatch(/ (GMT|BST) on .*; 1 later one is not yet\./);
    expect([enough.code, tooFew.code]).toEqual([0, 3]);
    expect(tooFew.stdout).toContain('not-witnessed: checkpoint.cosigned has cosignatures of 1');
  });

  test('finds too few cosignatures, none at all, and those of other witnesses', async () => {
    const { folder } = makeLog(30, signer);
    const [one, other] = [await witness('a.test/w'), await witness('a.test/w')];
    expect((await verify(folder, [one])).findings).toMatchObject([{ kind: 'not-witnessed' }]);
    await witnessing(folder, [one]).witnessedUpTo(30);
    expect((await verify(folder, [one])).findings).toEqual([]);
    for (const [all, required] of [
      [[other], 1],
      [[one, other], 2],
    ] as const) {
      expect((await verify(folder, all, required)).findings).toMatchObject([
        { kind: 'not-witnessed', path: 'checkpoint.cosigned' },
      ]);
    }
  });

  test('finds that a log went back or forked after witnesses cosigned it, even without their keys', async () => {
    const { folder } = makeLog(50, signer);
    const old = copyOf(folder);
    append(folder, 25);
    const one = await witness();
    await witnessing(folder, [one]).witnessedUpTo(75);
    for (const [more, kind] of [
      [0, 'rolled-back'],
      [60, 'forked'],
    ] as const) {
      const copy = copyOf(old);
      if (more > 0) append(copy, more, 8);
      copyFileSync(join(folder, COSIGNED_CHECKPOINT), join(copy, COSIGNED_CHECKPOINT));
      const { findings } = await verifyLog({ folder: copy, keys, waitMs: 0 });
      const found = findings.find((one) => one.kind === kind);
      expect(found?.detail).toContain('checkpoint.cosigned');
    }
  });
});

describe('a proof of one event', () => {
  test('is made with the checkpoint that witnesses have cosigned, as long as that covers the event', async () => {
    const { folder, source } = makeLog(300, signer);
    const [one, stranger] = [await witness('a.test/w'), witnessSigner('a.test/stranger')];
    await witnessing(folder, [one]).witnessedUpTo(300);
    await closing.pop()?.();
    append(folder, 20, 0, source);
    const of = (index: number, place = folder) =>
      verifyProof(Buffer.from(proveEntry(place, keys, index)), keys, [
        one.signer.key,
        stranger.key,
      ]);
    const { name, id } = one.signer.key;
    expect(of(7)).toMatchObject({
      kind: 'proven',
      checkpoint: { size: 300 },
      signedBy: [`${signer.verifierKey.name} (${signer.verifierKey.id})`],
      witnessedBy: [{ name: `${name} (${id})`, at: expect.stringMatching(/Z$/) as unknown }],
      falselyWitnessedBy: [],
    });
    expect(of(310)).toMatchObject({ kind: 'proven', checkpoint: { size: 320 }, witnessedBy: [] });
    // What witnesses cosigned in a lost log proves nothing about an event in this one.
    const { folder: fork } = makeLog(310, signer, 9);
    copyFileSync(join(folder, COSIGNED_CHECKPOINT), join(fork, COSIGNED_CHECKPOINT));
    expect(of(7, fork)).toMatchObject({ kind: 'proven', checkpoint: { size: 310 } });
  });

  test('names a witness whose signature in it is not over its checkpoint', () => {
    const { folder } = makeLog(10, signer);
    const one = witnessSigner('a.test/w');
    const forged = proveEntry(folder, keys, 3) + cosign(one, 'another text\n');
    expect(verifyProof(Buffer.from(forged), keys, [one.key])).toMatchObject({
      kind: 'proven',
      witnessedBy: [],
      falselyWitnessedBy: [`a.test/w (${one.key.id})`],
    });
  });
});

describe('cosignatures', () => {
  const { key, privateKey } = witnessSigner('witness.example/w1');
  const checkpoint = fc
    .tuple(fc.nat(), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([size, root]) =>
      signCheckpoint({ origin: ORIGIN, size, root: Buffer.from(root).toString('latin1') }, [
        signer,
      ]),
    );
  const textOf = (note: string): string => note.slice(0, note.lastIndexOf('\n\n') + 1);

  test('are found for their own checkpoint, with their time, among any others', () => {
    const others = witnessSigner('witness.example/w2');
    fc.assert(
      fc.property(checkpoint, fc.integer({ min: 1, max: 253_402_300_799 }), (note, seconds) => {
        const text = textOf(note);
        const line = cosign({ key, privateKey }, text, seconds);
        expect(answeredCosignature(text, cosign(others, text) + line, key)?.at).toBe(
          seconds * 1_000,
        );
        const split = splitNote(Buffer.from(note + line));
        if (split.kind !== 'note') throw new Error('not a note');
        expect(cosignaturesOf(split.text, split.signatures, [key]).cosignatures).toHaveLength(1);
        // Readers who do not know the witness skip its line.
        expect(openCheckpoint(Buffer.from(note + line), keys).kind).toBe('signed');
      }),
    );
  });

  test('do not count if any byte is changed or the time is invalid', () => {
    fc.assert(
      fc.property(checkpoint, fc.nat(), fc.integer({ min: 1, max: 255 }), (note, at, flip) => {
        const text = textOf(note);
        const [, name = '', base64 = ''] = cosign({ key, privateKey }, text).trimEnd().split(' ');
        const bytes = Buffer.from(base64, 'base64');
        const place = at % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ flip;
        const answer = `\u2014 ${name} ${bytes.toString('base64')}\n`;
        expect(answeredCosignature(text, answer, key)).toBeUndefined();
      }),
    );
    const text = textOf(
      signCheckpoint({ origin: ORIGIN, size: 1, root: 'x'.repeat(32) }, [signer]),
    );
    for (const seconds of [0, 253_402_300_800]) {
      expect(
        answeredCosignature(text, cosign({ key, privateKey }, text, seconds), key),
      ).toBeUndefined();
    }
  });

  test('are found in no random text, and no text makes reading fail', () => {
    const part = fc.constantFrom(
      '\u2014 ',
      key.name,
      ' ',
      '\n',
      '\n\n',
      'AAAA',
      '\u0000',
      '\ud800',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string({ maxLength: 9 }))), (parts) => {
        const answer = parts.join('');
        expect(answeredCosignature(`${ORIGIN}\n1\nx\n`, answer, key)).toBeUndefined();
        expect(['note', 'malformed']).toContain(splitNote(Buffer.from(answer)).kind);
      }),
    );
  });

  test('are never mistaken for a log’s signatures, or the other way round', () => {
    expect(parseVerifierKey(key.text)).toBeUndefined();
    expect(parseWitnessKey(signer.verifierKey.text)).toBeUndefined();
    expect(parseWitnessKey(key.text)?.id).toBe(key.id);
  });
});

describe('a file of witnesses', () => {
  const [a, b] = [witnessSigner('a.test/w').key.text, witnessSigner('b.test/w').key.text];
  const read = (text: string) => parseWitnesses(text);

  test('names witnesses and how many are needed: one, any, all or some of a group', () => {
    const both = `# ours\n\nlog x\nwitness A ${a} https://a.test/\n  witness\tB ${b} http://localhost:7380\n`;
    for (const [quorum, required, of] of [
      ['quorum A', 1, 1],
      ['group g any A B\nquorum g', 1, 2],
      ['group g all A B\nquorum g', 2, 2],
      ['group g 2 A B\nquorum g\n', 2, 2],
      ['group g 1 B\nquorum g\n', 1, 1],
    ] as const) {
      const parsed = read(both + quorum);
      if (parsed.kind === 'wrong') throw new Error(parsed.detail);
      expect(parsed.witnesses.all.map(({ url }) => url)).toEqual([
        'https://a.test',
        'http://localhost:7380',
      ]);
      expect([parsed.witnesses.required, parsed.witnesses.quorum.length]).toEqual([required, of]);
    }
  });

  test.each([
    ['nothing at all', ''],
    ['no quorum', `witness A ${a} https://a.test`],
    ['a quorum of nobody', `witness A ${a} https://a.test\nquorum none`],
    ['a quorum larger than its group', `quorum A\nwitness A ${a} https://a.test`],
    ['two quorums', `witness A ${a} https://a.test\nquorum A\nquorum A`],
    ['a key of a log', `witness A ${signer.verifierKey.text} https://a.test\nquorum A`],
    [
      'a key with another id',
      `witness A ${a.replace(/\+[0-9a-f]{8}\+/, '+00000000+')} https://a.test\nquorum A`,
    ],
    ['a repeated key', `witness A ${a} https://a.test\nwitness B ${a} https://b.test\nquorum A`],
    ['a repeated name', `witness A ${a} https://a.test\nwitness A ${b} https://b.test\nquorum A`],
    ['an address without TLS', `witness A ${a} http://a.test\nquorum A`],
    ['an address with a password', `witness A ${a} https://me:x@a.test\nquorum A`],
    ['more witnesses than it has', `witness A ${a} https://a.test\ngroup g 2 A\nquorum g`],
    ['an unknown witness', `witness A ${a} https://a.test\ngroup g 0 A\nquorum g`],
    ['a repeated member', `witness A ${a} https://a.test\ngroup g 2 A A\nquorum g`],
    ['a group of nobody', `witness A ${a} https://a.test\ngroup g all\nquorum g`],
    ['an unknown word', `witnesses A ${a}\nquorum A`],
  ])('with %s is refused with a message', (_, text) => {
    const parsed = read(text);
    expect(parsed.kind === 'wrong' && parsed.detail).toMatch(/\.$/);
  });

  test('is read or refused, whatever it contains', () => {
    const word = fc.constantFrom(
      'witness',
      'group',
      'quorum',
      'A',
      'B',
      'any',
      '2',
      a,
      'https://a.test',
    );
    const noise = fc
      .array(fc.oneof(word, fc.string({ maxLength: 8 })), { maxLength: 6 })
      .map((words) => words.join(' '));
    const witnesses = [`witness A ${a} https://a.test`, '# ours', `witness B ${b} https://b.test`];
    const groups = ['group g 1 A B', 'group h all A', 'group i 3 A B', 'group g 0 B'];
    const lines = fc
      .tuple(
        fc.subarray(witnesses, { minLength: 1 }),
        fc.subarray(groups, { maxLength: 1 }),
        fc.oneof({ weight: 2, arbitrary: fc.constant('') }, noise),
        fc.constantFrom('quorum A', 'quorum B', 'quorum g', 'quorum h', 'quorum i'),
      )
      .map((parts) => parts.flat());
    let good = 0;
    fc.assert(
      fc.property(fc.oneof(fc.array(noise, { maxLength: 8 }), lines), (all) => {
        const parsed = read(all.join('\n'));
        if (parsed.kind === 'wrong') return;
        good++;
        const { required, quorum } = parsed.witnesses;
        expect(1 <= required && required <= quorum.length).toBe(true);
        for (const { name } of quorum) expect(all.join('\n')).toContain(name);
      }),
      { numRuns: 1_000 },
    );
    expect(good).toBeGreaterThan(20);
  });
});
