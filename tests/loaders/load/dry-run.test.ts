import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { differFile, loadAsShown, loadFile } from '#loaders/load/load.ts';
import { validateFile } from '#loaders/load/validate.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { day } from '../../support/rows.ts';
import { metadata, startLoading } from '../../support/upload-loading.ts';
import {
  fileCsv,
  fileXml,
  person,
  planOf,
  RECEIVED_AT,
  upload,
} from '../../support/upload-model.ts';

const { t, l, newAuthority, loadRecords, everything } = await startLoading();

describe('a dry run', () => {
  test('says how many rows would change, and changes nothing', async () => {
    const authority = newAuthority();
    await loadRecords(
      authority,
      1,
      [1, 2, 3, 4].map((n) => planOf(n)),
    );
    const records = [
      planOf(1),
      planOf(2, { endDate: day('2026-11-20') }),
      { ...planOf(3), child: person(3, { localId: 'other' }) },
      planOf(5),
      { ...planOf(6), child: person(6, { nhsNumber: '1' }) },
    ];
    const path = join(t.dataDir, 'dry.xml');
    await writeFile(path, fileXml(upload({ authority, sequence: 2, records })));
    const options = {
      spoolDir: l.spoolDir,
      addAuthority: true,
      by: 'test',
      now: () => RECEIVED_AT,
    };
    const before = await everything();
    const { acknowledgement, difference } = await differFile(
      t.store,
      t.anchor,
      { path, name: path },
      options,
    );
    expect(difference).toEqual({ added: 1, removed: 1, changed: 1, stops: 1 });
    expect(await everything()).toEqual(before);
    expect(await loadFile(t.store, t.anchor, { path, name: path }, options)).toEqual(
      acknowledgement,
    );
  });

  test('counts what a full refresh would take away, and says that this would be held', async () => {
    const authority = newAuthority();
    await loadRecords(
      authority,
      1,
      [1, 2, 3, 4].map((n) => planOf(n)),
    );
    const path = join(t.dataDir, 'dry.csv');
    await writeFile(path, fileCsv({ records: [planOf(1)] }));
    const { acknowledgement, difference } = await differFile(
      t.store,
      t.anchor,
      { path, name: path },
      {
        spoolDir: l.spoolDir,
        addAuthority: true,
        by: 'test',
        now: () => RECEIVED_AT,
        metadata: metadata(1, { authority, sequence: 2, full: true }),
      },
    );
    expect(difference).toEqual({ added: 0, removed: 3, changed: 0, stops: 3 });
    expect(acknowledgement.held).toMatchObject({ leftOut: 3 });
    expect(t.anchor.heldFiles()).toEqual([]);
  });

  test('checks a file by itself, without a store', async () => {
    const path = join(t.dataDir, 'alone.xml');
    const records = [planOf(1), { ...planOf(2), child: person(2, { nhsNumber: '1' }) }];
    await writeFile(path, fileXml(upload({ records })));
    const now = () => RECEIVED_AT;
    const acknowledgement = await validateFile({ path, name: path }, { now });
    expect(acknowledgementSchema.parse(acknowledgement)).toMatchObject({
      code: 'CPF03',
      counts: { records: 2, accepted: 1, refused: 1 },
      failures: [{ code: 'CPR04', record: 2 }],
    });
    await writeFile(path, fileXml(upload({ records })).slice(0, -20));
    expect((await validateFile({ path, name: path }, { now })).code).toBe('CPF01');
  });
});

describe('a file previewed first', () => {
  const options = {
    spoolDir: l.spoolDir,
    addAuthority: true,
    by: 'test',
    now: () => RECEIVED_AT,
  };

  /** Everything except the lock counters, which a dry run increases because it takes the lock. */
  const kept = async () =>
    Object.entries(await everything()).filter(([key]) => !key.endsWith(':fence'));

  /** Previews a file that ends one of two plans, and returns what may then change its effect. */
  async function looked() {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1), planOf(2)]);
    const path = join(t.dataDir, `${authority}.xml`);
    const records = [planOf(1, { endDate: day('2026-11-20') })];
    await writeFile(path, fileXml(upload({ authority, sequence: 2, records })));
    const source = { path, name: path };
    const shown = await differFile(t.store, t.anchor, source, options);
    return { authority, path, source, shown };
  }

  test('is loaded if it does what the preview said', async () => {
    const { source, shown } = await looked();
    expect(await loadAsShown(t.store, t.anchor, source, shown, options)).toEqual({
      kind: 'answered',
      acknowledgement: shown.acknowledgement,
    });
  });

  test('counts a plan that ends later as one still shown', async () => {
    const authority = newAuthority();
    await loadRecords(authority, 1, [planOf(1)]);
    const path = join(t.dataDir, 'later.xml');
    const records = [planOf(1, { endDate: day('2027-11-20') })];
    await writeFile(path, fileXml(upload({ authority, sequence: 2, records })));
    const { difference } = await differFile(t.store, t.anchor, { path, name: path }, options);
    expect(difference).toMatchObject({ removed: 1, stops: 0 });
  });

  test.each<[string, (of: Awaited<ReturnType<typeof looked>>) => Promise<unknown>]>([
    [
      'another file was loaded in between',
      ({ authority }) => loadRecords(authority, 3, [planOf(3)]),
    ],
    ['it was loaded in between', ({ source }) => loadFile(t.store, t.anchor, source, options)],
    [
      'its bytes have changed',
      ({ path, authority }) =>
        writeFile(path, fileXml(upload({ authority, sequence: 2, records: [planOf(4)] }))),
    ],
    ['it can no longer be read', ({ path }) => writeFile(path, '<File')],
    [
      'its authority’s settings have changed',
      ({ authority }) =>
        t.store.setAuthority(authority, { breakers: { removalsStopShare: 0.9 } }, 'test'),
    ],
  ])('changes nothing, and says so, if %s', async (_, change) => {
    const of = await looked();
    await change(of);
    const before = await kept();
    expect(await loadAsShown(t.store, t.anchor, of.source, of.shown, options)).toEqual({
      kind: 'changed',
    });
    expect(await kept()).toEqual(before);
  });
});
