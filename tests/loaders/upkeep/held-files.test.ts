import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { finalAnswer } from '#loaders/inbox/held.ts';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed, MayBeDone } from '#loaders/load-failed.ts';
import { sweepSpools } from '#loaders/spool/sweep.ts';
import {
  discardHeldFile,
  expireHeldFiles,
  findHeldFiles,
  listHeldFiles,
  releaseHeldFile,
} from '#loaders/upkeep/held-files.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { HELD_MEANINGS } from '#schemas/wording/answers.ts';
import { HELD_FILE_HINTS } from '#schemas/wording/decisions.ts';
import { packRow } from '#store/rows/rows.ts';
import { endingAt } from '../../support/cut-short.ts';
import { day, testNumber } from '../../support/rows.ts';
import { metadata, startLoading } from '../../support/upload-loading.ts';
import {
  fileCsv,
  fileXml,
  type ModelRecord,
  person,
  planOf,
  RECEIVED_AT,
  upload,
} from '../../support/upload-model.ts';

const { t, l, newAuthority, loadRecords } = await startLoading();

const DECISION = { by: 'A. Example', reason: 'confirmed by telephone', now: () => RECEIVED_AT };
const END = { endDate: day('2026-11-20') };
const children = (count: number, differing = {}): ModelRecord[] =>
  Array.from({ length: count }, (_, i) => planOf(i + 1, differing));

const loadCsv = (
  authority: OdsCode,
  sequence: number,
  records: ModelRecord[],
  differing: { full?: boolean } = {},
) =>
  l.load(fileCsv({ records }), {
    metadata: metadata(records.length, { authority, sequence, ...differing }),
  });

const held = async (authority: OdsCode, people: number) => {
  const numbers = Array.from({ length: people }, (_, i) => testNumber(i + 1));
  const rows = [...(await t.store.readRows(numbers)).values()].flat();
  return rows.filter((row) => row.authority === authority);
};
const inForce = async (authority: OdsCode, people: number) =>
  (await held(authority, people)).filter(
    ({ endDate, deleteDate }) => endDate === undefined && deleteDate === undefined,
  ).length;
const heldFileOf = (authority: OdsCode) =>
  listHeldFiles(t.anchor).find((heldFile) => heldFile.authority === authority);

/** As `endingAt`, but past what is asked before anything begins. */
function endingOnceBegun(step: Parameters<typeof endingAt>[1]): ReturnType<typeof endingAt> {
  const { store, anchor } = endingAt(t, step);
  let asked = 0;
  const safeguard = () => (asked++ === 0 ? t.store.safeguard() : store.safeguard());
  return { store: { ...store, safeguard }, anchor };
}

/** Checks everything that must agree once a load is over. */
async function expectReconciled(authority: OdsCode): Promise<void> {
  const known = await t.store.authority(authority);
  const tally = (await t.store.tally()).get(authority);
  expect(known?.reconciled).toBe(true);
  expect(tally?.digest).toBe(t.anchor.authority(authority)?.digest);
  expect(t.anchor.loadInProgress(authority)).toBeUndefined();
}

/** Loads ten children, and then a file that ends six of their plans and adds one. */
async function withRemovalsHeld(authority: OdsCode) {
  await loadRecords(authority, 1, children(10));
  return loadRecords(authority, 2, [...children(6, END), planOf(11)]);
}

test('a full refresh that is held and then released ends a difference that was found before', async () => {
  const authority = newAuthority();
  await loadRecords(authority, 1, children(10));
  const [row] = (await t.store.readRows([testNumber(9)])).get(testNumber(9)) ?? [];
  const lock = await t.store.lockAuthority(authority);
  if (row === undefined || lock === undefined) throw new Error('no row or no lock');
  await t.store.removeRows(lock, [{ nhsNumber: row.nhsNumber, packed: packRow(row) }]);
  await lock.release();
  const found = await loadRecords(authority, 2, [planOf(11)]);
  expect(found.warnings[0]?.hint).toContain('11 rows expected, 10 held');
  expect((await loadCsv(authority, 3, children(1_100), { full: true })).held?.whole).toBe(true);
  expect(await t.store.authority(authority)).toMatchObject({ reconciled: false });
  const id = heldFileOf(authority)?.id ?? '';
  const released = await releaseHeldFile(t.store, t.anchor, id, DECISION);
  expect(JSON.stringify(released)).not.toContain('does not hold what it should');
  expect(t.anchor.missingFiles(authority)).toEqual([]);
  await expectReconciled(authority);
});

describe('a delta that takes too much away', () => {
  test('is applied except for its removals, which are held, and its acknowledgement says so', async () => {
    const authority = newAuthority();
    const acknowledgement = await withRemovalsHeld(authority);
    expect(acknowledgementSchema.parse(acknowledgement)).toMatchObject({
      code: 'CPF03',
      counts: { records: 7, accepted: 1, refused: 0 },
      rows: { added: 1, changed: 0 },
      held: { whole: false, records: 6, rows: 6, leftOut: 0 },
    });
    const hints = acknowledgement.warnings.map(({ hint }) => hint).join(' ');
    expect(hints).toContain('6 of 10 (60 %) plans in force');
    expect(hints).toContain(`cp-flags release ${authority}-2`);
    expect(await inForce(authority, 11)).toBe(11);
    expect(await t.store.authority(authority)).toMatchObject({ sequence: 1, rows: 11 });
    await expectReconciled(authority);
  });

  test('stores only what is held, readable only by its owner', async () => {
    const authority = newAuthority();
    await withRemovalsHeld(authority);
    const folder =
      t.anchor.heldFiles().find((heldFile) => heldFile.authority === authority)?.folder ?? '';
    expect(readdirSync(folder).toSorted()).toEqual(['held', 'lock']);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder)) {
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    }
    sweepSpools(l.spoolDir, () => t.anchor.spoolsNeeded());
    expect(existsSync(folder)).toBe(true);
  });

  test('gets a provisional answer when repeated, and a final one once released', async () => {
    const authority = newAuthority();
    const provisional = await withRemovalsHeld(authority);
    const repeat = () => loadRecords(authority, 2, [...children(6, END), planOf(11)]);
    expect(await repeat()).toEqual(provisional);
    expect(provisional.meaning).toBe(HELD_MEANINGS.part);

    const folder =
      t.anchor.heldFiles().find((heldFile) => heldFile.authority === authority)?.folder ?? '';
    const final = await releaseHeldFile(
      t.store,
      t.anchor,
      heldFileOf(authority)?.id ?? '',
      DECISION,
    );
    expect(acknowledgementSchema.parse(final)).toMatchObject({
      code: 'CPF02',
      counts: { records: 7, accepted: 7, refused: 0 },
      rows: { added: 1, changed: 6 },
    });
    expect(final.held).toBeUndefined();
    expect(await inForce(authority, 11)).toBe(5);
    expect(await repeat()).toEqual(final);
    expect(await t.store.authority(authority)).toMatchObject({ sequence: 2, rows: 11 });
    await expectReconciled(authority);
    expect([heldFileOf(authority), existsSync(folder)]).toEqual([undefined, false]);
  });

  test('is released against what is held now: a newer file’s version of a plan stays', async () => {
    const authority = newAuthority();
    await withRemovalsHeld(authority);
    await loadRecords(authority, 3, [planOf(1)]);
    const final = await releaseHeldFile(
      t.store,
      t.anchor,
      heldFileOf(authority)?.id ?? '',
      DECISION,
    );
    expect(final.rows).toMatchObject({ changed: 5, superseded: 1 });
    const [first] = await held(authority, 1);
    expect(first).toMatchObject({ sequence: 3 });
    expect(first?.endDate).toBeUndefined();
    expect(await t.store.authority(authority)).toMatchObject({ sequence: 3 });
    await expectReconciled(authority);
  });

  test('has an audit event that says who released it, who at the council confirmed it, and why', async () => {
    const authority = newAuthority();
    await withRemovalsHeld(authority);
    await releaseHeldFile(t.store, t.anchor, heldFileOf(authority)?.id ?? '', {
      ...DECISION,
      confirmedBy: 'B. Council',
    });
    const events = await t.adminStore.readEvents('system');
    expect(events.findLast(({ type }) => type === 'hold-released')).toMatchObject({
      by: 'A. Example',
      detail: { authority, reason: 'confirmed by telephone', confirmedBy: 'B. Council', rows: 6 },
    });
  });

  test('may be discarded: its removals are then not made, and the acknowledgement says so', async () => {
    const authority = newAuthority();
    await withRemovalsHeld(authority);
    const final = await discardHeldFile(
      t.store,
      t.anchor,
      heldFileOf(authority)?.id ?? '',
      DECISION,
    );
    expect(acknowledgementSchema.parse(final)).toMatchObject({
      code: 'CPF03',
      counts: { records: 7, accepted: 1, refused: 6 },
    });
    expect(final.held).toBeUndefined();
    expect(final.warnings[0]?.hint).toContain('its number is used');
    expect(await inForce(authority, 11)).toBe(11);
    expect(heldFileOf(authority)).toBeUndefined();
    expect(await loadRecords(authority, 2, [...children(6, END), planOf(11)])).toEqual(final);
    await expectReconciled(authority);
  });

  test('can be sent again, corrected, under the same number, which replaces what is held', async () => {
    const authority = newAuthority();
    await withRemovalsHeld(authority);
    const folder =
      t.anchor.heldFiles().find((heldFile) => heldFile.authority === authority)?.folder ?? '';
    const records = [
      planOf(1, END),
      { ...planOf(11), child: person(11, { localId: 'put-right' }) },
    ];
    expect(await loadRecords(authority, 2, records)).toMatchObject({
      code: 'CPF02',
      rows: { added: 0, changed: 2 },
    });
    expect([heldFileOf(authority), existsSync(folder)]).toEqual([undefined, false]);
    expect((await held(authority, 11)).at(-1)).toMatchObject({ localId: 'put-right' });
    expect(await inForce(authority, 11)).toBe(10);
    await expectReconciled(authority);
  });

  test('is loaded again if what was held is lost from disk', async () => {
    const authority = newAuthority();
    await withRemovalsHeld(authority);
    const { id = '' } = heldFileOf(authority) ?? {};
    rmSync(t.anchor.heldFiles().find((heldFile) => heldFile.id === id)?.folder ?? '', {
      recursive: true,
    });
    await expect(releaseHeldFile(t.store, t.anchor, id, DECISION)).rejects.toThrow(
      /gone from the disk/,
    );
    await discardHeldFile(t.store, t.anchor, id, DECISION);
    expect(heldFileOf(authority)).toBeUndefined();
  });

  test('may contain nothing else: its number is then free once it is discarded', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, children(10));
    expect(await loadRecords(authority, 2, children(6, END))).toMatchObject({
      code: 'CPF04',
      held: { records: 6 },
    });
    const { warnings } = await discardHeldFile(
      t.store,
      t.anchor,
      heldFileOf(authority)?.id ?? '',
      DECISION,
    );
    expect(warnings[0]?.hint).toContain('its number is free');
    expect((await loadRecords(authority, 2, [planOf(12)])).code).toBe('CPF02');
  });
});

describe('a file that adds far more than usual', () => {
  const many = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => planOf(from + i));

  test('is held as a whole, and can be released', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, children(10));
    const provisional = await loadRecords(authority, 2, many(100, 1_001));
    expect(acknowledgementSchema.parse(provisional)).toMatchObject({
      code: 'CPF04',
      counts: { accepted: 0, refused: 0 },
      rows: { added: 0 },
      meaning: HELD_MEANINGS.nothing,
      held: { whole: true, records: 1_001 },
    });
    expect((await t.store.tally()).get(authority)?.rows).toBe(10);
    const final = await releaseHeldFile(
      t.store,
      t.anchor,
      heldFileOf(authority)?.id ?? '',
      DECISION,
    );
    expect(final).toMatchObject({ code: 'CPF02', rows: { added: 1_001 } });
    expect((await t.store.tally()).get(authority)?.rows).toBe(1_011);
    await expectReconciled(authority);
  });

  test('leaves the data no fresher while it is held, whatever follows it except a full refresh', async () => {
    const authority = newAuthority();
    const freshness = async () => Date.parse((await t.store.authority(authority))?.dataAsOf ?? '');
    const load = (sequence: number, records: ModelRecord[], createdAt: string, full = false) =>
      l.load(fileCsv({ records }), {
        metadata: metadata(records.length, {
          authority,
          sequence,
          createdAt,
          ...(full && { full }),
        }),
      });
    await loadRecords(authority, 1, children(10));
    const before = await freshness();
    const second = await load(2, many(100, 1_001), '2026-11-24T01:00:00Z');
    expect(second).toMatchObject({ held: { whole: true } });
    const third = await load(3, [planOf(12)], '2026-11-24T02:00:00Z');
    expect(third).toMatchObject({ code: 'CPF02' });
    expect(Date.parse(third.dataAsOf ?? '')).toBe(before);
    expect(await freshness()).toBe(before);
    const all = [...children(10), planOf(12), planOf(13)];
    expect((await load(4, all, '2026-11-24T03:00:00Z', true)).code).toBe('CPF02');
    expect(await freshness()).toBe(Date.parse('2026-11-24T03:00:00Z'));
  });

  test('keeps doubts about dates of birth until it is released', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, children(10));
    const lines = Array.from(
      { length: 1_002 },
      (_, i) =>
        `${testNumber(100 + i)},${i === 7 ? '25/12/2018' : i === 8 ? '12/25/2018' : '01/02/2018'},CPP,2026-09-14,,`,
    );
    const csv = `nhs_number,date_of_birth,plan_type,start_date,end_date,delete_date\n${lines.join('\n')}\n`;
    const options = { metadata: metadata(1_002, { authority, sequence: 2 }) };
    expect((await l.load(csv, options)).held).toMatchObject({ whole: true });
    await releaseHeldFile(t.store, t.anchor, heldFileOf(authority)?.id ?? '', DECISION);
    const numbers = [testNumber(100), testNumber(107)];
    const rows = await t.store.readRows(numbers);
    const doubtOf = (number: (typeof numbers)[number] | undefined) =>
      rows.get(number ?? testNumber(0))?.find((row) => row.authority === authority)
        ?.dateOfBirthInDoubt;
    expect(numbers.map(doubtOf)).toEqual([true, undefined]);
    await expectReconciled(authority);
  });

  test('leaves its number free once it is discarded', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, children(10));
    await loadRecords(authority, 2, many(100, 1_001));
    await discardHeldFile(t.store, t.anchor, heldFileOf(authority)?.id ?? '', DECISION);
    expect((await loadRecords(authority, 2, [planOf(100)])).code).toBe('CPF02');
  });
});

describe('a full refresh', () => {
  const known = async (authority: OdsCode) => {
    await loadRecords(authority, 1, children(10));
    return authority;
  };

  test('takes away what it leaves out, and closes the numbers below it', async () => {
    const authority = await known(newAuthority());
    const acknowledgement = await loadCsv(authority, 5, children(8), { full: true });
    expect(acknowledgementSchema.parse(acknowledgement)).toMatchObject({
      code: 'CPF02',
      rows: { added: 0, unchanged: 8, removed: 2 },
    });
    expect(await held(authority, 10)).toHaveLength(8);
    await expectReconciled(authority);
    expect(await loadRecords(authority, 4, [planOf(9)])).toMatchObject({
      code: 'CPF04',
      failures: [{ field: 'sequence', hint: expect.stringContaining('5 and lower') as string }],
    });
    expect((await loadCsv(authority, 5, children(8), { full: true })).rows.removed).toBe(2);
    expect((await loadRecords(authority, 6, [planOf(9)])).code).toBe('CPF02');
  });

  test('that arrives late leaves alone what newer files brought', async () => {
    const authority = await known(newAuthority());
    await loadRecords(authority, 7, [planOf(20)]);
    await loadCsv(authority, 5, children(9), { full: true });
    expect((await held(authority, 20)).map(({ nhsNumber }) => nhsNumber)).toContain(testNumber(20));
    expect(await held(authority, 20)).toHaveLength(10);
    await expectReconciled(authority);
  });

  test('over its limit applies its rows and holds its sweep', async () => {
    const authority = await known(newAuthority());
    const records = [...children(3), planOf(11)];
    const provisional = await loadCsv(authority, 5, records, { full: true });
    expect(provisional).toMatchObject({
      code: 'CPF03',
      rows: { added: 1, unchanged: 3, removed: 0 },
      held: { records: 0, leftOut: 7 },
    });
    expect(await held(authority, 11)).toHaveLength(11);
    // No number is closed until the sweep is released.
    expect((await loadRecords(authority, 4, [planOf(12)])).code).toBe('CPF02');
    const final = await releaseHeldFile(
      t.store,
      t.anchor,
      heldFileOf(authority)?.id ?? '',
      DECISION,
    );
    expect(final).toMatchObject({ code: 'CPF02', rows: { removed: 8 } });
    expect(await held(authority, 12)).toHaveLength(4);
    expect((await loadRecords(authority, 3, [planOf(9)])).code).toBe('CPF04');
    await expectReconciled(authority);
  });

  test('with any record refused holds its sweep', async () => {
    const authority = await known(newAuthority());
    const records = children(10);
    records[9] = { ...planOf(10), child: person(10, { nhsNumber: '9990000019' }) };
    expect(await loadCsv(authority, 5, records, { full: true })).toMatchObject({
      counts: { accepted: 9, refused: 1 },
      held: { leftOut: 1 },
    });
    expect(await held(authority, 10)).toHaveLength(10);
  });

  test.each([
    ['without its row count', 'CPF01', { rowCount: undefined }],
    ['with a wrong row count', 'CPF01', { rowCount: 9 }],
  ])('%s is refused (%s)', async (_what, code, differing) => {
    const authority = await known(newAuthority());
    const given = { ...metadata(8, { authority, sequence: 5, full: true }), ...differing };
    const { rowCount, ...rest } = given;
    const acknowledgement = await l.load(fileCsv({ records: children(8) }), {
      metadata: { ...rest, ...(rowCount !== undefined && { rowCount }) },
    });
    expect(acknowledgement.code).toBe(code);
    expect(await held(authority, 10)).toHaveLength(10);
  });

  test('as Spine XML is refused', async () => {
    const authority = await known(newAuthority());
    const bytes = fileXml(upload({ authority, sequence: 5 }));
    expect(await l.load(bytes, { metadata: { full: true } })).toMatchObject({
      code: 'CPF04',
      failures: [{ field: 'full' }],
    });
  });
});

describe('a crash', () => {
  const resume = async (authority: OdsCode) => {
    const begun = t.anchor.loadInProgress(authority);
    if (begun !== undefined) await resumeLoad(t.store, t.anchor, begun);
    return begun !== undefined;
  };

  test('before the held rows are known still ends with the same hold', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, children(10));
    const bytes = fileXml(
      upload({ authority, sequence: 2, records: [...children(6, END), planOf(11)] }),
    );
    await expect(l.load(bytes, endingAt(t, 'commitLoad'))).rejects.toThrow(LoadFailed);
    expect(heldFileOf(authority)).toBeUndefined();
    expect(await resume(authority)).toBe(true);
    expect(heldFileOf(authority)).toMatchObject({ number: 2 });
    expect((await l.load(bytes)).held?.id).toBe(heldFileOf(authority)?.id);
    await releaseHeldFile(t.store, t.anchor, heldFileOf(authority)?.id ?? '', DECISION);
    expect(await inForce(authority, 11)).toBe(5);
  });

  test('in the middle of a sweep is finished', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, children(10));
    const records = children(8);
    const loading = l.load(fileCsv({ records }), {
      ...endingAt(t, 'removeRows'),
      metadata: metadata(8, { authority, sequence: 5, full: true }),
    });
    await expect(loading).rejects.toThrow(/will be resumed/);
    expect(await resume(authority)).toBe(true);
    expect(await held(authority, 10)).toHaveLength(8);
    await expectReconciled(authority);
  });

  test.each(['beginLoad', 'commitLoad'] as const)(
    'during a release at %s still lets the file be released',
    async (step) => {
      const authority = newAuthority();
      await withRemovalsHeld(authority);
      const { store, anchor } = endingAt(t, step);
      const { id = '' } = heldFileOf(authority) ?? {};
      await expect(releaseHeldFile(store, anchor, id, DECISION)).rejects.toThrow(LoadFailed);
      if (!(await resume(authority))) await releaseHeldFile(t.store, t.anchor, id, DECISION);
      expect(await inForce(authority, 11)).toBe(5);
      expect(heldFileOf(authority)).toBeUndefined();
      await expectReconciled(authority);
    },
  );

  test.each([
    { what: 'discard', decide: discardHeldFile, step: 'appendEvent' },
    { what: 'discard', decide: discardHeldFile, step: 'changeHeldFiles' },
    { what: 'discard of a whole file', decide: discardHeldFile, step: 'changeHeldFiles' },
    { what: 'discard', decide: discardHeldFile, step: 'safeguard' },
    { what: 'release', decide: releaseHeldFile, step: 'appendEvent' },
    { what: 'release', decide: releaseHeldFile, step: 'readRows' },
    { what: 'release', decide: releaseHeldFile, step: 'beginLoad' },
    { what: 'release', decide: releaseHeldFile, step: 'applyRows' },
    { what: 'release', decide: releaseHeldFile, step: 'commitLoad' },
    { what: 'release', decide: releaseHeldFile, step: 'safeguard' },
  ] as const)(
    'during a $what at $step is never said to have changed nothing',
    async ({ what, decide, step }) => {
      const authority = newAuthority();
      if (what === 'discard of a whole file') {
        await loadRecords(authority, 1, children(10));
        await loadRecords(authority, 2, children(1_100));
      } else await withRemovalsHeld(authority);
      const { store, anchor } = endingOnceBegun(step);
      const { id = '' } = heldFileOf(authority) ?? {};
      const error: unknown = await decide(store, anchor, id, DECISION).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(MayBeDone);
      expect(String(error)).not.toMatch(/nothing was changed/i);
      await resume(authority);
      const { id: left } = heldFileOf(authority) ?? {};
      if (left !== undefined) await decide(t.store, t.anchor, left, DECISION);
      expect(heldFileOf(authority)).toBeUndefined();
    },
  );

  test.each(['beginLoad', 'changeHeldFiles', 'safeguard'] as const)(
    'of a load at %s is never said to have changed nothing',
    async (step) => {
      const authority = newAuthority();
      await loadRecords(authority, 1, children(10));
      const second = children(step === 'changeHeldFiles' ? 1_100 : 12);
      const load = (differing = {}) =>
        l.load(fileCsv({ records: second }), {
          ...differing,
          metadata: metadata(second.length, { authority, sequence: 2 }),
        });
      const error: unknown = await load(endingOnceBegun(step)).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(LoadFailed);
      expect(String(error)).not.toMatch(/nothing was changed/i);
      expect((await load()).code).toBe(step === 'changeHeldFiles' ? 'CPF04' : 'CPF02');
    },
  );

  test('that loses the folder of a release is repaired by sending the same file', async () => {
    const authority = newAuthority();
    await withRemovalsHeld(authority);
    const { id = '' } = heldFileOf(authority) ?? {};
    const cut = endingAt(t, 'applyRows');
    await expect(releaseHeldFile(cut.store, cut.anchor, id, DECISION)).rejects.toThrow(LoadFailed);
    rmSync(t.anchor.loadInProgress(authority)?.journal ?? '', { recursive: true });
    expect(await resume(authority)).toBe(true);
    expect(heldFileOf(authority)).toBeUndefined();
    expect(await t.store.authority(authority)).toMatchObject({ reconciled: false });
    const again = await loadRecords(authority, 2, [...children(6, END), planOf(11)]);
    expect(again.held?.id).toBe(heldFileOf(authority)?.id);
    await releaseHeldFile(t.store, t.anchor, heldFileOf(authority)?.id ?? '', DECISION);
    expect(await inForce(authority, 11)).toBe(5);
    await expectReconciled(authority);
  });
});

describe('a held file', () => {
  test('is found by authority and number, and by its id', async () => {
    const authority = newAuthority();
    await withRemovalsHeld(authority);
    const heldFile = heldFileOf(authority);
    expect(findHeldFiles(t.anchor, `${authority}-2`)).toEqual([heldFile]);
    expect(findHeldFiles(t.anchor, heldFile?.id ?? '')).toEqual([heldFile]);
    expect(findHeldFiles(t.anchor, `${authority}-3`)).toEqual([]);
    expect(heldFile?.id).toMatch(/^[a-p]{8}$/);
  });

  test('is discarded if nobody decides in time, and audited', async () => {
    const authority = newAuthority();
    const provisional = await withRemovalsHeld(authority);
    const day30 = RECEIVED_AT + 30 * 86_400_000;
    async function expire(now: number): Promise<string[]> {
      const discarded: string[] = [];
      await expireHeldFiles(t.store, t.anchor, {
        keptMs: 30 * 86_400_000,
        now: () => now,
        onDiscarded: (heldFile) => void discarded.push(heldFile.authority),
      });
      return discarded;
    }
    expect(await expire(day30 - 1)).toEqual([]);
    expect(await expire(day30)).toContain(authority);
    expect(listHeldFiles(t.anchor)).toEqual([]);
    expect((await t.adminStore.readEvents('system')).at(-1)).toMatchObject({
      type: 'hold-discarded',
      by: 'service',
    });
    const final = await finalAnswer(t.store, t.anchor, provisional);
    const hints = final?.warnings.map(({ hint }) => hint) ?? [];
    const at = new Date(day30).toISOString();
    expect(hints).toContain(HELD_FILE_HINTS.discarded(at, true, 'not decided'));
    expect(hints.join(' ')).not.toMatch(/the operator of the service discarded it/);
  });
});
