import { statSync } from 'node:fs';
import { rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadFile } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { FILE_HINTS } from '#schemas/wording/files.ts';
import { packRow } from '#store/rows/rows.ts';
import { day, testNumber } from '../../support/rows.ts';
import { WAIT_MS } from '../../support/until.ts';
import { metadata, startLoading } from '../../support/upload-loading.ts';
import {
  fileCsv,
  fileXml,
  type ModelRecord,
  type ModelUpload,
  person,
  planOf,
  RECEIVED_AT,
  unbornOf,
  upload,
} from '../../support/upload-model.ts';

const { t, l, newAuthority, rowsOf } = await startLoading();

const loadXml = (model: Partial<ModelUpload>, options?: Parameters<typeof l.load>[1]) =>
  l.load(fileXml(upload(model)), options);

/** Everything that a refused file must leave unchanged. */
async function state(authority: OdsCode): Promise<string> {
  const tallies = await t.store.tally();
  return JSON.stringify([
    [...tallies].map(([code, { rows, digest }]) => `${code} ${rows} ${digest}`).toSorted(),
    await t.store.authorities(),
    await t.admin.hgetall(`cpf:authority:{${authority}}:files`),
    t.anchor.authority(authority),
    t.anchor.loadsInProgress(),
  ]);
}

describe('a sound file', () => {
  test('is loaded in full: rows, authority, ledger, anchor and audit, and its spool is removed', async () => {
    const authority = newAuthority();
    const records: ModelRecord[] = [
      planOf(1),
      {
        child: person(2),
        plans: [...planOf(2).plans, { type: 'looked-after-child', startDate: day('2026-05-11') }],
      },
      unbornOf(3),
      planOf(4, { endDate: day('2026-10-01') }),
      planOf(5, { deleteDate: day('2026-11-20') }),
    ];
    const acknowledgement = await loadXml(
      { authority, sequence: 412, records },
      { name: '/a/b/upload.xml' },
    );
    expect(acknowledgementSchema.parse(acknowledgement)).toMatchObject({
      file: { name: 'upload.xml', format: 'spine-xml', createdAt: '2026-11-23T21:30:00.000Z' },
      authority: { code: authority, name: 'Test Council' },
      sequence: 412,
      code: 'CPF02',
      authorityAdded: true,
      counts: { records: 5, accepted: 5, refused: 0 },
      rows: { added: 6, changed: 0, unchanged: 0, superseded: 0 },
      failures: [],
      warnings: [],
      dataAsOf: '2026-11-23T21:30:00.000Z',
    });
    const rows = await rowsOf(authority, 1, 2, 3, 4, 5);
    expect(rows).toHaveLength(6);
    expect(rows.find(({ deleteDate }) => deleteDate !== undefined)).toMatchObject({
      nhsNumber: testNumber(5),
      sequence: 412,
    });
    const held = await t.store.authority(authority);
    expect(held).toMatchObject({
      name: 'Test Council',
      officeHoursPhone: '02079460100',
      emergencyDutyTeamPhone: '02079460199',
      sequence: 412,
      rows: 6,
      reconciled: true,
      dataAsOf: '2026-11-23T21:30:00.000Z',
    });
    expect(t.anchor.authority(authority)).toEqual({ sequence: 412, rows: 6, digest: held?.digest });
    expect((await t.store.tally()).get(authority)?.digest).toBe(held?.digest);
    const events = await t.adminStore.readEvents('system');
    expect(events.at(-1)).toMatchObject({
      type: 'load',
      authority,
      sequence: 412,
      code: 'CPF02',
      accepted: 5,
      by: 'test',
    });
    expect(l.spools()).toEqual([]);
    expect(statSync(l.spoolDir).mode & 0o777).toBe(0o700);
  });

  test('gets the same answer again, compressed or not, and changes nothing', async () => {
    const authority = newAuthority();
    const bytes = fileXml(
      upload({
        authority,
        records: [planOf(1), { ...planOf(2), child: person(2, { nhsNumber: '1' }) }],
      }),
    );
    const first = await l.load(bytes);
    expect(first.code).toBe('CPF03');
    const before = await state(authority);
    expect(await l.load(bytes, { name: 'other', now: () => RECEIVED_AT + 86_400_000 })).toEqual(
      first,
    );
    expect(await state(authority)).toBe(before);
  });

  test('has its sound records accepted among others, and says exactly which are refused (CPF03)', async () => {
    const authority = newAuthority();
    const acknowledgement = await loadXml({
      authority,
      records: [
        planOf(1),
        { ...planOf(2), child: person(2, { nhsNumber: '9990000019' }) },
        planOf(3),
      ],
    });
    expect(acknowledgement).toMatchObject({
      code: 'CPF03',
      counts: { records: 3, accepted: 2, refused: 1 },
      failures: [{ code: 'CPR04', record: 2, localId: 'LA-2' }],
    });
    expect((await rowsOf(authority, 1, 2, 3)).map(({ nhsNumber }) => nhsNumber)).toEqual([
      testNumber(1),
      testNumber(3),
    ]);
  });

  test('takes its data-as-of from the earlier of creation and receipt, and never moves it back', async () => {
    const authority = newAuthority();
    const dataAsOf = async (sequence: number, createdAt: string) =>
      (await loadXml({ authority, sequence, createdAt })).dataAsOf;
    expect(await dataAsOf(2, '202611232130+0000')).toBe('2026-11-23T21:30:00.000Z');
    expect(await dataAsOf(1, '202611222130+0000')).toBe('2026-11-23T21:30:00.000Z');
    expect(await dataAsOf(3, '202611242130+0000')).toBe('2026-11-24T06:00:00.000Z');
    expect((await t.store.authority(authority))?.dataAsOf).toBe('2026-11-24T06:00:00.000Z');
  });

  test('cannot be an authority’s first if it is empty, since the authority would look up to date', async () => {
    const authority = newAuthority();
    await t.store.setAuthority(
      authority,
      { name: 'Empty Council', emergencyDutyTeamPhone: '02079460199' },
      'test',
    );
    const acknowledgement = await l.load(fileCsv({ records: [] }), {
      metadata: metadata(0, { authority, sequence: 1 }),
    });
    expect(acknowledgement).toMatchObject({ code: 'CPF04', failures: [{ field: 'record' }] });
    expect((await t.store.authority(authority))?.dataAsOf).toBeUndefined();
  });

  test('may consist of a header line alone, which reports nothing and renews data-as-of', async () => {
    const authority = newAuthority();
    await loadXml({ authority, sequence: 1, createdAt: '202611202130+0000' });
    const acknowledgement = await l.load(fileCsv({ records: [] }), {
      metadata: metadata(0, { authority, sequence: 2 }),
    });
    expect(acknowledgement).toMatchObject({
      code: 'CPF02',
      counts: { records: 0, accepted: 0, refused: 0 },
      dataAsOf: '2026-11-23T21:30:00.000Z',
    });
    expect(await rowsOf(authority, 1)).toHaveLength(1);
    expect(await t.store.authority(authority)).toMatchObject({ sequence: 2, rows: 1 });
  });
});

describe('files that follow', () => {
  test('add, change, end and delete by identity, and leave alone what they do not name', async () => {
    const authority = newAuthority();
    await loadXml({ authority, records: [planOf(1), planOf(2), planOf(3), planOf(4)] });
    const acknowledgement = await loadXml({
      authority,
      sequence: 2,
      records: [
        planOf(1),
        planOf(2, { endDate: day('2026-11-10') }),
        planOf(3, { deleteDate: day('2026-11-20') }),
        planOf(5),
      ],
    });
    expect(acknowledgement).toMatchObject({
      code: 'CPF02',
      rows: { added: 1, changed: 2, unchanged: 1, superseded: 0 },
    });
    const rows = await rowsOf(authority, 1, 2, 3, 4, 5);
    expect(
      rows.map(({ sequence, endDate, deleteDate }) => [sequence, endDate, deleteDate]),
    ).toEqual([
      [2, undefined, undefined],
      [2, '2026-11-10', undefined],
      [2, undefined, '2026-11-20'],
      [1, undefined, undefined],
      [2, undefined, undefined],
    ]);
  });

  test('that arrive late fill their gap and undo nothing newer', async () => {
    const authority = newAuthority();
    await loadXml({ authority, sequence: 1, records: [planOf(1)] });
    const early = await loadXml({
      authority,
      sequence: 3,
      authorityName: 'New Name',
      records: [planOf(1, { endDate: day('2026-11-10') })],
    });
    expect(early.warnings).toMatchObject([{ code: 'CPF02', field: 'sequence' }]);
    const late = await loadXml({ authority, sequence: 2, records: [planOf(1), planOf(2)] });
    expect(late).toMatchObject({
      code: 'CPF02',
      rows: { added: 1, superseded: 1 },
      warnings: [{ field: 'sequence' }, { record: 1, field: 'end_date' }],
    });
    expect((await rowsOf(authority, 1))[0]).toMatchObject({ endDate: '2026-11-10', sequence: 3 });
    expect(await rowsOf(authority, 2)).toHaveLength(1);
    expect(await t.store.authority(authority)).toMatchObject({ sequence: 3, name: 'New Name' });
  });

  test('that skip a number are told which, and still renew data-as-of', async () => {
    const authority = newAuthority();
    await loadXml({ authority, sequence: 11, createdAt: '202611222130+0000' });
    const { warnings } = await loadXml({
      authority,
      sequence: 13,
      createdAt: '202611232130+0000',
      records: [planOf(2)],
    });
    expect(warnings.map(({ hint }) => hint).join()).toContain('file 12 has not been loaded');
    const { dataAsOf, reconciled } = (await t.store.authority(authority)) ?? {};
    expect([dataAsOf, reconciled]).toEqual(['2026-11-23T21:30:00.000Z', true]);
  });

  test('may not use a number again for other content', async () => {
    const authority = newAuthority();
    await loadXml({ authority, sequence: 7 });
    const before = await state(authority);
    const acknowledgement = await loadXml({ authority, sequence: 7, records: [planOf(2)] });
    expect(acknowledgement).toMatchObject({
      code: 'CPF04',
      failures: [{ field: 'sequence', place: 'file' }],
    });
    expect(await state(authority)).toBe(before);
  });

  test('that delete or end what is not held are refused record by record', async () => {
    const authority = newAuthority();
    await loadXml({ authority, records: [planOf(1), planOf(2)] });
    const acknowledgement = await loadXml({
      authority,
      sequence: 2,
      records: [
        planOf(1, { startDate: day('2026-09-15'), deleteDate: day('2026-11-20') }),
        planOf(2, { startDate: day('2026-09-15'), endDate: day('2026-11-20') }),
        planOf(3, { endDate: day('2026-11-20') }),
      ],
    });
    expect(acknowledgement).toMatchObject({
      code: 'CPF03',
      counts: { accepted: 1, refused: 2 },
      failures: [
        { code: 'CPR07', record: 1 },
        { code: 'CPR07', record: 2 },
      ],
      warnings: [{ code: 'CPR06', record: 3 }],
    });
    expect(JSON.stringify(acknowledgement.failures)).toContain('14 September 2026');
    expect((await rowsOf(authority, 1, 2)).every(({ endDate }) => endDate === undefined)).toBe(
      true,
    );
  });

  test('from two authorities hold the same child side by side', async () => {
    const [one, other] = [newAuthority(), newAuthority()];
    await loadXml({ authority: one, records: [planOf(900)] });
    await loadXml({ authority: other, records: [planOf(900)] });
    const deletion = planOf(900, { deleteDate: day('2026-11-20') });
    await loadXml({ authority: other, sequence: 2, records: [deletion] });
    expect((await rowsOf(one, 900))[0]?.deleteDate).toBeUndefined();
    expect((await rowsOf(other, 900))[0]?.deleteDate).toBe('2026-11-20');
  });
});

describe('a refused file', () => {
  test.each<[string, Partial<ModelUpload>, string]>([
    ['no emergency number', { phones: [] }, 'CPF01'],
    [
      'no record accepted',
      { records: [{ ...planOf(1), child: person(1, { nhsNumber: '1' }) }] },
      'CPF04',
    ],
  ])('for %s changes nothing, and its number can be used again', async (_what, model, code) => {
    const authority = newAuthority();
    const before = await state(authority);
    const acknowledgement = await loadXml({ authority, ...model });
    expect(acknowledgement.code).toBe(code);
    expect(acknowledgement.counts.accepted).toBe(0);
    expect(await state(authority)).toBe(before);
    expect((await t.adminStore.readEvents('system')).at(-1)).toMatchObject({
      type: 'load',
      authority,
      code,
    });
    expect((await loadXml({ authority })).code).toBe('CPF02');
    expect(l.spools()).toEqual([]);
  });

  test('of another authority than its sender is refused, and both are named', async () => {
    const [sender, named] = [newAuthority(), newAuthority()];
    const { code, failures } = await loadXml({ authority: named }, { authority: sender });
    expect([code, failures]).toEqual([
      'CPF01',
      [
        expect.objectContaining({
          field: 'authority',
          hint: FILE_HINTS.otherAuthority(named, sender),
        }),
      ],
    ]);
    expect(FILE_HINTS.otherAuthority(named, sender)).toMatch(new RegExp(`${named}.*${sender}`));
  });

  test('may be refused because its authority is unknown, unless an operator loads it', async () => {
    const authority = newAuthority();
    const before = await state(authority);
    const refused = await loadXml({ authority }, { addAuthority: false });
    expect(refused).toMatchObject({
      code: 'CPF04',
      authorityAdded: false,
      failures: [{ field: 'authority' }],
    });
    expect(await state(authority)).toBe(before);
    expect(await loadXml({ authority })).toMatchObject({ code: 'CPF02', authorityAdded: true });
    expect(await loadXml({ authority, sequence: 2 }, { addAuthority: false })).toMatchObject({
      code: 'CPF02',
      authorityAdded: false,
    });
  });

  test('as CSV from an authority without telephone numbers says how to add them', async () => {
    const authority = newAuthority();
    const bytes = fileCsv(upload());
    const options = { metadata: metadata(1, { authority }) };
    const refused = await l.load(bytes, options);
    expect(refused.code).toBe('CPF04');
    expect(refused.failures[0]?.hint).toContain(`cp-flags authority set ${authority}`);
    await t.store.setAuthority(
      authority,
      { name: 'C', emergencyDutyTeamPhone: '02079460199' },
      'test',
    );
    expect((await l.load(bytes, options)).code).toBe('CPF02');
  });

  test('does not include one with an unusable name or telephone number if good ones are held', async () => {
    const authority = newAuthority();
    await loadXml({ authority });
    const { emergencyDutyTeamPhoneAsOf: given } = (await t.store.authority(authority)) ?? {};
    expect(given).toBeDefined();
    const acknowledgement = await loadXml({
      authority,
      sequence: 2,
      createdAt: '202611240530+0000',
      authorityName: ' ',
      phones: [{ use: 'EC', value: '020 7946 0119 ext 4' }],
      records: [planOf(2)],
    });
    expect(acknowledgementSchema.parse(acknowledgement)).toMatchObject({
      code: 'CPF02',
      authority: { name: 'Test Council', emergencyDutyTeamPhone: '02079460199' },
      warnings: [{ field: 'name' }, { field: 'telecom' }],
    });
    expect(acknowledgement.warnings[1]?.hint).toMatch(
      /no extension.*The number held of 23 November 2026 stays/,
    );
    // The data is newer than the telephone number, which must not appear equally new.
    expect(await t.store.authority(authority)).toMatchObject({
      dataAsOf: '2026-11-24T05:30:00.000Z',
      emergencyDutyTeamPhoneAsOf: given,
    });
  });

  test('that is cut at any byte is acknowledged, and none of it is applied', async () => {
    const authority = newAuthority();
    const model = upload({ authority, records: [planOf(1), unbornOf(2)] });
    const files = [
      { bytes: Buffer.from(fileXml(model).trimEnd()) },
      { bytes: Buffer.from(fileCsv(model)), options: { metadata: metadata(2, { authority }) } },
      { bytes: gzipSync(fileXml(model)) },
    ];
    const before = await state(authority);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        async ({ bytes, options }, share) => {
          const acknowledgement = await l.load(
            bytes.subarray(0, Math.floor(bytes.length * share)),
            options,
          );
          // If only the last line break is missing, the file is whole; but its authority has no telephone number.
          expect(['CPF01', 'CPF04']).toContain(acknowledgementSchema.parse(acknowledgement).code);
        },
      ),
      { numRuns: 25 },
    );
    expect(await state(authority)).toBe(before);
  });
});

describe('when the machine fails', () => {
  test('a source that breaks off is an error, not an acknowledgement', async () => {
    const stream = new PassThrough();
    stream.write(fileXml(upload()).slice(0, 500));
    setImmediate(() => stream.destroy(new Error('gone')));
    const loading = loadFile(
      t.store,
      t.anchor,
      { name: 'x', stream },
      {
        spoolDir: l.spoolDir,
        addAuthority: true,
        by: 'test',
      },
    );
    await expect(loading).rejects.toThrow(LoadFailed);
    await expect(loading).rejects.toThrow(/could not be read.*Nothing was changed/);
    expect(l.spools()).toEqual([]);
  });

  test('a missing file is an error that says so', async () => {
    const loading = loadFile(
      t.store,
      t.anchor,
      { name: 'x', path: join(t.dataDir, 'none.xml') },
      {
        spoolDir: l.spoolDir,
        addAuthority: true,
        by: 'test',
      },
    );
    await expect(loading).rejects.toThrow(/ENOENT/);
  });

  test('without a dataset nothing is written, not even an event', async () => {
    const store = { ...t.store, dataset: () => Promise.resolve(undefined) };
    await expect(l.load(fileXml(upload()), { store })).rejects.toThrow(/cp-flags init/);
  });

  test('an error never repeats the content that was being written', async () => {
    const authority = newAuthority();
    const store = {
      ...t.store,
      fileOf: () => Promise.reject(new Error(`unknown command with args ${testNumber(1)}`)),
    };
    const error = await l.load(fileXml(upload({ authority })), { store }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LoadFailed);
    expect(String(error)).toContain('unknown command with args ##########');
    expect(error).not.toHaveProperty('cause');
  });

  test('a loader waits for its turn, and says so if the turn does not come', async () => {
    const authority = newAuthority();
    const lock = await t.store.lockAuthority(authority);
    await expect(l.load(fileXml(upload({ authority })), { lockWaitMs: 50 })).rejects.toThrow(
      /Another loader is working/,
    );
    const waiting = l.load(fileXml(upload({ authority })), { lockWaitMs: WAIT_MS });
    await lock?.release();
    expect((await waiting).code).toBe('CPF02');
  });

  test('the same file loaded twice at once is loaded once', async () => {
    const authority = newAuthority();
    const bytes = fileXml(upload({ authority, records: [planOf(1), planOf(2)] }));
    const both = await Promise.all([
      l.load(bytes, { lockWaitMs: WAIT_MS }),
      l.load(bytes, { lockWaitMs: WAIT_MS }),
    ]);
    expect(both[0]).toEqual(both[1]);
    expect(both[0]?.rows.added).toBe(2);
  });

  test('a store that ends up holding something else makes the authority out of date until a full refresh, and says so', async () => {
    const authority = newAuthority();
    const isReconciled = async () => (await t.store.authority(authority))?.reconciled;
    await loadXml({ authority, records: [planOf(1), planOf(2)] });
    const store = {
      ...t.store,
      tally: async () => {
        const tallies = await t.store.tally();
        const [row] = await rowsOf(authority, 1);
        if (row !== undefined) tallies.get(authority)?.remove(row.nhsNumber, packRow(row));
        return tallies;
      },
    };
    const acknowledgement = await l.load(
      fileXml(upload({ authority, sequence: 2, records: [planOf(3)] })),
      {
        store,
      },
    );
    expect(acknowledgement.warnings[0]).toMatchObject({ place: 'file' });
    expect(acknowledgement.warnings[0]?.hint).toContain('3 rows expected, 2 held');
    expect(await isReconciled()).toBe(false);
    // This file is compared with what is held now, which does not change what was lost before.
    expect((await loadXml({ authority, sequence: 3, records: [planOf(4)] })).warnings).toEqual([]);
    expect(await isReconciled()).toBe(false);
    const differing = { sequence: 2, number: 2, fullOnly: 'difference' };
    expect(t.anchor.missingFiles(authority)).toEqual([differing]);
    const records = [1, 2, 3, 4].map((n) => planOf(n));
    await l.load(fileCsv(upload({ authority, records })), {
      metadata: metadata(4, { authority, sequence: 4, full: true }),
    });
    expect(await isReconciled()).toBe(true);
    expect(t.anchor.missingFiles(authority)).toEqual([]);
  });

  test('a file given by its path is read like a stream, with its sidecar', async () => {
    const authority = newAuthority();
    await t.store.setAuthority(
      authority,
      { name: 'C', emergencyDutyTeamPhone: '02079460199' },
      'test',
    );
    const path = join(t.dataDir, 'delta.csv');
    await writeFile(path, fileCsv(upload()));
    await writeFile(join(t.dataDir, 'delta.json'), JSON.stringify(metadata(1, { authority })));
    const options = {
      spoolDir: l.spoolDir,
      addAuthority: false,
      by: 'test',
      now: () => RECEIVED_AT,
    };
    expect(await loadFile(t.store, t.anchor, { name: path, path }, options)).toMatchObject({
      code: 'CPF02',
      authority: { code: authority },
      file: { name: 'delta.csv', format: 'csv' },
    });
    await writeFile(join(t.dataDir, 'delta.json'), '{"authority": "ZZ1", "extra": 1}');
    expect((await loadFile(t.store, t.anchor, { name: path, path }, options)).code).toBe('CPF01');
  });

  test('a sidecar that is there and cannot be read is not taken for none: its row count shows whether the file is cut short', async () => {
    const authority = newAuthority();
    const details = { name: 'C', emergencyDutyTeamPhone: '02079460199' };
    await t.store.setAuthority(authority, details, 'test');
    const before = await state(authority);
    const path = join(t.dataDir, `${authority}-1-202611232130.csv`);
    await writeFile(path, fileCsv(upload({ records: [planOf(1)] })));
    // As root, which tests may run as, there is no file that may not be read.
    await symlink(`${path}.json`, `${path}.json`);
    const options = {
      spoolDir: l.spoolDir,
      addAuthority: false,
      by: 'test',
      now: () => RECEIVED_AT,
    };
    const loading = () => loadFile(t.store, t.anchor, { name: path, path }, options);
    await expect(loading()).rejects.toThrow(/could not be read \(ELOOP\)/);
    await expect(loading()).rejects.toThrow(LoadFailed);
    expect(await state(authority)).toBe(before);
    await rm(`${path}.json`);
    await writeFile(`${path}.json`, '{"rowCount": 2}');
    expect((await loading()).code).toBe('CPF01');
    await writeFile(`${path}.json`, '{"rowCount": 1}');
    expect((await loading()).code).toBe('CPF02');
  });

  test('a file whose name has no room for a sidecar is loaded without one', async () => {
    const authority = newAuthority();
    const details = { name: 'C', emergencyDutyTeamPhone: '02079460199' };
    await t.store.setAuthority(authority, details, 'test');
    const path = join(t.dataDir, `${'x'.repeat(250)}.csv`);
    await writeFile(path, fileCsv(upload({ records: [planOf(1)] })));
    const acknowledgement = await loadFile(
      t.store,
      t.anchor,
      { name: path, path },
      {
        spoolDir: l.spoolDir,
        addAuthority: false,
        by: 'test',
        now: () => RECEIVED_AT,
        metadata: metadata(1, { authority }),
      },
    );
    expect(acknowledgement.code).toBe('CPF02');
  });
});
