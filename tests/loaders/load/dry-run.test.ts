import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { differFile, loadFile } from '#loaders/load/load.ts';
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

describe('a look without consequences', () => {
  test('says by how many rows the store would differ, and changes nothing at all', async () => {
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
    expect(difference).toEqual({ added: 1, removed: 1, changed: 1 });
    expect(await everything()).toEqual(before);
    expect(await loadFile(t.store, t.anchor, { path, name: path }, options)).toEqual(
      acknowledgement,
    );
  });

  test('counts what a full refresh would take away, and that it would wait', async () => {
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
    expect(difference).toEqual({ added: 0, removed: 3, changed: 0 });
    expect(acknowledgement.held).toMatchObject({ leftOut: 3 });
    expect(t.anchor.heldFiles()).toEqual([]);
  });

  test('checks a file on its own, without any store', async () => {
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
