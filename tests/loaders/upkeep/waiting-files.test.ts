import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { finalAnswer } from '#loaders/inbox/held.ts';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { sendOutcome } from '#loaders/synthetic/made-up-pds.ts';
import { discardHeldFile, expireHeldFiles, releaseHeldFile } from '#loaders/upkeep/held-files.ts';
import { listWaitingFiles, takeUpWaitingFile } from '#loaders/upkeep/waiting-files.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { HELD_FILE_HINTS } from '#schemas/wording/decisions.ts';
import { endingAt } from '../../support/cut-short.ts';
import { startTestPds, type TestPds } from '../../support/pds.ts';
import { day, testNumber } from '../../support/rows.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';
import { loader, metadata, ods } from '../../support/upload-loading.ts';
import {
  fileCsv,
  fileXml,
  type ModelRecord,
  planOf,
  RECEIVED_AT,
  unbornOf,
  upload,
} from '../../support/upload-model.ts';

let t: TestStore;
let l: ReturnType<typeof loader>;
let p: TestPds;
let tracer: ReturnType<TestPds['tracer']>;
let notices: InactiveNumbersNotice[];

beforeAll(async () => {
  [t, p] = await Promise.all([startTestStore({ kind: 'demo' }), startTestPds()]);
  l = loader(t);
});
afterAll(() => Promise.all([t?.stop(), p?.stop()]));

let last = 400;
let A: OdsCode;
beforeEach(() => {
  last += 1;
  A = ods(`ZZ${last}`);
  tracer = p.tracer({ awayMs: 0 });
  notices = [];
  p.pds.records.clear();
  p.pds.asked.length = 0;
  for (let n = 1; n <= 60; n++) know(n);
});
afterEach(() => {
  p.pds.instead = undefined;
});

const know = (n: number, as = n, security = 'U'): void =>
  void p.pds.records.set(testNumber(n), {
    nhsNumber: testNumber(as),
    dateOfBirth: '2019-03-05',
    names: [{ given: ['Ada'], family: 'Example' }],
    security,
  });
/** From now on no records can be fetched except these. */
function goAway(...but: number[]): void {
  p.pds.instead = (_request, response, path) => {
    if (!path.includes('/Patient/') || but.some((n) => path.endsWith(testNumber(n)))) return false;
    sendOutcome(response, 500, 'SERVER_ERROR');
    return true;
  };
}
const comeBack = (): void => {
  p.pds.instead = undefined;
};
const load = (sequence: number, records: ModelRecord[], createdAt = '202611232130+0000') =>
  l.load(fileXml(upload({ authority: A, sequence, records, createdAt })), { tracer });
const waiting = () => listWaitingFiles(t.anchor).filter(({ authority }) => authority === A);
async function takeUp({ store, anchor }: Pick<TestStore, 'store' | 'anchor'> = t) {
  const [heldFile] = waiting();
  if (heldFile === undefined) throw new Error('nothing waits');
  return takeUpWaitingFile(store, anchor, heldFile, {
    tracer,
    onNotice: (notice) => void notices.push(notice),
    by: 'service',
    signal: new AbortController().signal,
    now: () => RECEIVED_AT,
    lockWaitMs: 500,
  });
}
const inForce = async (n: number): Promise<boolean> =>
  [...(await t.store.readRows([testNumber(n)])).values()]
    .flat()
    .some(({ authority, endDate, deleteDate }) => authority === A && !endDate && !deleteDate);
const children = (from: number, count: number, differing = {}): ModelRecord[] =>
  Array.from({ length: count }, (_, i) => planOf(from + i, differing));
const LATER = '202611240300+0000';
const LATEST = '202611240500+0000';

describe('while PDS is away', () => {
  test('a later file leaves the data no fresher while records of an earlier one wait', async () => {
    const freshness = async () => (await t.store.authority(A))?.dataAsOf;
    await load(1, children(1, 4));
    goAway();
    await load(2, children(21, 1), LATER);
    // These people were verified before, so none of their records has to wait.
    const third = await load(3, children(1, 1, { endDate: day('2027-01-05') }), LATEST);
    expect(third).toMatchObject({ code: 'CPF02', dataAsOf: '2026-11-23T21:30:00.000Z' });
    expect(await freshness()).toBe('2026-11-23T21:30:00.000Z');
    comeBack();
    expect((await takeUp())?.code).toBe('CPF02');
    expect(waiting()).toEqual([]);
    await load(4, children(2, 1, { endDate: day('2027-01-05') }), LATEST);
    expect(await freshness()).toBe('2026-11-24T05:00:00.000Z');
  });

  test('people verified before and deletes are loaded, and the rest waits, counted and reported', async () => {
    await load(1, children(1, 4));
    goAway();
    const answer = await load(
      2,
      [
        planOf(1, { endDate: day('2027-01-05') }),
        planOf(2, { deleteDate: day('2026-11-20') }),
        ...children(11, 3),
      ],
      LATER,
    );
    expect(answer).toMatchObject({
      code: 'CPF03',
      meaning: 'Partial: what could be traced is loaded, and the rest waits to be traced',
      counts: { records: 5, accepted: 2, refused: 0 },
      held: { untraced: true, records: 3, rows: 3, whole: false },
      failures: [],
      // New flags have not been loaded, so the data is no fresher than it was.
      dataAsOf: '2026-11-23T21:30:00.000Z',
    });
    expect(answer.warnings.map(({ hint }) => hint).join()).toMatch(/^3 records wait because/);
    expect(await inForce(2)).toBe(false);
    expect(await inForce(11)).toBe(false);
    expect(await t.store.authority(A)).toMatchObject({
      sequence: 1,
      dataAsOf: '2026-11-23T21:30:00.000Z',
    });
    expect(await takeUp()).toBeUndefined();
    expect(waiting()).toHaveLength(1);

    comeBack();
    const final = await takeUp();
    expect(final).toMatchObject({
      code: 'CPF02',
      counts: { records: 5, accepted: 5, refused: 0 },
      rows: { added: 3 },
      dataAsOf: '2026-11-24T03:00:00.000Z',
    });
    expect(final?.held).toBeUndefined();
    expect(await inForce(11)).toBe(true);
    expect(await t.store.authority(A)).toMatchObject({ sequence: 2, reconciled: true });
    expect(waiting()).toEqual([]);
    expect(await finalAnswer(t.store, t.anchor, answer)).toEqual(final);
    // People who were verified then need not be asked about again.
    const asked = p.pds.asked.length;
    expect(await load(3, children(11, 3))).toMatchObject({ code: 'CPF02' });
    expect(p.pds.asked.length).toBe(asked);
  });

  test('a delete is loaded even for somebody who was not verified before', async () => {
    await load(1, children(1, 2));
    goAway();
    tracer = p.tracer({ awayMs: 0 });
    const answer = await load(2, [planOf(1, { deleteDate: day('2026-11-20') }), planOf(2)]);
    expect(answer).toMatchObject({ counts: { accepted: 1 }, held: { records: 1 } });
    expect([await inForce(1), await inForce(2)]).toEqual([false, true]);
  });

  test('nobody gets "no match", and nobody can release what was not traced', async () => {
    await load(1, children(1, 2));
    goAway();
    const answer = await load(2, children(21, 2));
    expect(answer).toMatchObject({
      code: 'CPF04',
      meaning:
        'Nothing loaded so far: it waits to be traced and is loaded automatically if that can be done in time, so do nothing now',
      counts: { accepted: 0, refused: 0 },
      failures: [],
    });
    const id = answer.held?.id ?? '';
    const decision = { by: 'A', reason: 'b', now: () => RECEIVED_AT, lockWaitMs: 500 };
    await expect(releaseHeldFile(t.store, t.anchor, id, decision)).rejects.toThrow(
      /waits for its NHS numbers to be traced/,
    );
    expect(await inForce(21)).toBe(false);
    expect(await discardHeldFile(t.store, t.anchor, id, decision)).toMatchObject({ code: 'CPF04' });
    expect(await load(2, children(21, 2))).toMatchObject({ held: { records: 2 } });
  });

  test('an authority’s first file is CPF05, and so is one that would be held as unusual', async () => {
    goAway();
    expect(await load(1, children(1, 3))).toMatchObject({ code: 'CPF05', counts: { accepted: 0 } });
    expect(await t.store.authority(A)).toBeUndefined();
    comeBack();
    await load(1, children(1, 12));
    goAway();
    // These people are new here. Their ends are judged together with the others, although they wait.
    tracer = p.tracer({ awayMs: 0 });
    expect(await load(2, children(1, 9, { endDate: day('2026-11-20') }))).toMatchObject({
      code: 'CPF05',
    });
    expect(waiting()).toEqual([]);
    expect(await inForce(1)).toBe(true);
  });

  test('a full refresh takes away what it leaves out, but not what waits', async () => {
    await load(1, children(1, 20));
    goAway();
    tracer = p.tracer({ awayMs: 0 });
    const records = children(1, 19);
    const answer = await l.load(fileCsv({ records }), {
      tracer,
      metadata: metadata(19, { authority: A, sequence: 2, full: true }),
    });
    expect(answer).toMatchObject({ rows: { removed: 1 }, held: { records: 19 } });
    expect([await inForce(19), await inForce(20)]).toEqual([true, false]);
    comeBack();
    expect(await takeUp()).toMatchObject({ code: 'CPF02', rows: { removed: 1 } });
    expect([await inForce(19), await inForce(20)]).toEqual([true, false]);
    expect(await t.store.authority(A)).toMatchObject({ reconciled: true });
  });
});

describe('a waiting record', () => {
  test('that cannot be traced in time is discarded, and the answer and the audit say why', async () => {
    const DAY_MS = 86_400_000;
    await load(1, children(1, 4));
    goAway();
    const provisional = await load(2, [planOf(1, { deleteDate: day('2026-11-20') }), planOf(41)]);
    const at = RECEIVED_AT + 30 * DAY_MS;
    await expireHeldFiles(t.store, t.anchor, {
      keptMs: 30 * DAY_MS,
      now: () => at,
      onDiscarded: () => undefined,
    });
    const final = await finalAnswer(t.store, t.anchor, provisional);
    const iso = new Date(at).toISOString();
    const hints = final?.warnings.map(({ hint }) => hint) ?? [];
    expect(hints).toContain(HELD_FILE_HINTS.discarded(iso, true, 'not traced'));
    expect(hints.join(' ')).not.toMatch(/the operator of the service discarded it/);
    const discarded = (await t.adminStore.readEvents('system')).flatMap((event) =>
      event.type === 'hold-discarded' && event.detail['authority'] === A
        ? [event.detail['reason']]
        : [],
    );
    expect(discarded).toEqual(['its NHS numbers could not be traced in time']);
  });

  test('is loaded without help, or refused for what tracing finds, and reported', async () => {
    await load(1, children(1, 2));
    goAway();
    await load(2, children(31, 5));
    comeBack();
    p.pds.records.delete(testNumber(31));
    know(32, 32, 'R');
    know(33, 34);
    know(34);
    goAway(31, 32, 33, 34);
    const provisional = await takeUp();
    expect(provisional).toMatchObject({
      code: 'CPF03',
      counts: { records: 5, accepted: 1, refused: 3 },
      held: { untraced: true, records: 1, rows: 1 },
    });
    expect(provisional?.failures.map(({ code, record }) => [record, code])).toEqual([
      [1, 'CPR01'],
      [2, 'CPR02'],
      [3, 'CPR05'],
    ]);
    expect(notices).toMatchObject([
      { sequence: 2, numbers: [{ nhsNumber: testNumber(33), replacedBy: testNumber(34) }] },
    ]);
    expect([await inForce(34), await inForce(35)]).toEqual([true, false]);
    // The inbox goes on asking for the final answer.
    if (provisional !== undefined) {
      expect(await finalAnswer(t.store, t.anchor, provisional)).toBeUndefined();
    }
    comeBack();
    const final = await takeUp();
    expect(final).toMatchObject({ code: 'CPF03', counts: { accepted: 2, refused: 3 } });
    expect(final?.failures).toHaveLength(3);
    expect(await inForce(35)).toBe(true);
    expect(await t.store.authority(A)).toMatchObject({ sequence: 2, reconciled: true });
  });

  test('waits as long as anybody in it cannot be traced', async () => {
    await load(1, children(1, 2));
    goAway();
    const mother = unbornOf(46);
    p.pds.records.set(testNumber(46), {
      nhsNumber: testNumber(46),
      dateOfBirth: '1998-09-11',
      names: [{ given: ['Ada'], family: 'Example' }],
    });
    const both = { ...planOf(45), ...mother, plans: [...planOf(45).plans, ...mother.plans] };
    expect(await load(2, [both, planOf(47)])).toMatchObject({ held: { records: 2, rows: 3 } });
    goAway(45, 47);
    expect(await takeUp()).toMatchObject({ held: { records: 1, rows: 2 } });
    expect([await inForce(45), await inForce(47)]).toEqual([false, true]);
    comeBack();
    expect(await takeUp()).toMatchObject({ code: 'CPF02', counts: { accepted: 2 } });
    expect(await inForce(45)).toBe(true);
  });

  test('gets CPF04 with every reason if no record in its file is sound', async () => {
    await load(1, children(1, 2));
    goAway();
    await load(2, children(31, 2));
    comeBack();
    for (const n of [31, 32]) p.pds.records.delete(testNumber(n));
    const final = await takeUp();
    expect(final).toMatchObject({ code: 'CPF04', counts: { accepted: 0, refused: 2 } });
    expect(final?.failures.map(({ code }) => code)).toEqual(['CPR01', 'CPR01']);
    expect(await load(2, children(3, 1))).toMatchObject({ code: 'CPF02' });
  });

  test('overwrites nothing from a newer file', async () => {
    await load(1, children(1, 2));
    goAway();
    await load(2, [planOf(41)]);
    comeBack();
    await load(3, [planOf(41, { endDate: day('2026-11-21') })]);
    expect(await takeUp()).toMatchObject({ code: 'CPF02', rows: { superseded: 1 } });
    expect(await inForce(41)).toBe(false);
    expect(await t.store.authority(A)).toMatchObject({ sequence: 3, reconciled: true });
  });

  test('is in a file that only its owner can read, with names only while it waits', async () => {
    await load(1, children(1, 2));
    goAway();
    const name = { given: 'Zebedee', family: 'Canary' };
    const record = planOf(51);
    await load(2, [
      { ...record, ...(record.child && { child: { ...record.child, ...name } }) },
      planOf(52),
    ]);
    const folder = t.anchor.heldFiles().find((each) => each.authority === A)?.folder ?? '';
    expect(readdirSync(folder).toSorted()).toEqual(['lock', 'people-1', 'waiting-1']);
    expect(readFileSync(join(folder, 'people-1'), 'utf8')).toContain('Canary');
    goAway(52);
    await takeUp();
    expect(readdirSync(folder).toSorted()).toEqual(['lock', 'people-2', 'waiting-2']);
    comeBack();
    await takeUp();
    const left = readdirSync(t.dataDir, { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    );
    for (const each of left) {
      expect(readFileSync(join(each.parentPath, each.name), 'latin1')).not.toContain('Canary');
    }
  });

  test('that is abandoned after an interrupted attempt is answered as it then stands: what was loaded counts', async () => {
    await load(1, children(1, 2));
    goAway();
    const provisional = await load(2, [planOf(43), planOf(44)]);
    goAway(44);
    const [heldFile] = waiting();
    const cut = endingAt(t, 'commitLoad');
    await expect(takeUp(cut)).rejects.toThrow(LoadFailed);
    const answer = await discardHeldFile(t.store, t.anchor, heldFile?.id ?? '', {
      by: 'A. Operator',
      reason: 'the rest is not wanted',
      now: () => RECEIVED_AT,
    });
    expect([await inForce(43), await inForce(44)]).toEqual([false, true]);
    expect(answer).toMatchObject({ code: 'CPF03', counts: { accepted: 1, refused: 1 } });
    expect(await finalAnswer(t.store, t.anchor, provisional)).toEqual(answer);
    const again = await load(2, [planOf(44, { endDate: day('2026-11-20') })]);
    expect(again).toMatchObject({ code: 'CPF04', failures: [{ field: 'sequence' }] });
    expect(await inForce(44)).toBe(true);
  });

  test('is loaded once and in full after a crash at any step', async () => {
    await load(1, children(1, 2));
    goAway();
    await load(2, [planOf(43), planOf(44)]);
    comeBack();
    goAway(43);
    // The anchor is written last, so an attempt that ends earlier is repeated from its journal.
    const commit = t.anchor.commitLoad.bind(t.anchor);
    Object.assign(t.anchor, {
      commitLoad: () => {
        throw new Error('crashed');
      },
    });
    await expect(takeUp()).rejects.toThrow(LoadFailed);
    Object.assign(t.anchor, { commitLoad: commit });
    const begun = t.anchor.loadInProgress(A);
    if (begun === undefined) throw new Error('nothing to resume');
    await resumeLoad(t.store, t.anchor, begun);
    expect(waiting()).toMatchObject([{ untraced: 2, acknowledgement: { held: { records: 1 } } }]);
    expect([await inForce(43), await inForce(44)]).toEqual([true, false]);
    comeBack();
    expect(await takeUp()).toMatchObject({ code: 'CPF02', counts: { accepted: 2 } });
    expect(await t.store.authority(A)).toMatchObject({ sequence: 2, reconciled: true });
  });
});
