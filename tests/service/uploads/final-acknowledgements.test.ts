import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { odsCodeSchema } from '#schemas/authority.ts';
import { expectFinal, writeFinals } from '#service/uploads/final-acknowledgements.ts';
import { readNotice, writeNotice } from '#service/uploads/notices.ts';
import { acknowledgement } from '../../support/acknowledgements.ts';
import { testNumber } from '../../support/rows.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-finals-'));
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

const notice = (nth: number) => ({
  id: crypto.randomUUID(),
  createdAt: '2026-11-24T06:00:00.000Z',
  authority: { code: 'ZZ101' },
  sequence: 4,
  numbers: [{ nhsNumber: testNumber(nth) }],
  omitted: 0,
});

test('a file that is damaged or in the way is named, and holds up no other final acknowledgement', async () => {
  const held = acknowledgement();
  const [first = '', second = '', third = ''] = await Promise.all(
    [401, 402, 403].map(async (sequence) => (await expectFinal(folder, { ...held, sequence }))[0]),
  );
  const waiting = join(folder, 'waiting');
  const [damaged = ''] = (await readdir(waiting)).filter((name) => name.includes('-401-'));
  await writeFile(join(waiting, damaged), '{"cut');
  await mkdir(join(waiting, 'a-folder.json'));
  await mkdir(second);
  const faults: string[] = [];
  const written = await writeFinals(
    folder,
    async (provisional) => provisional,
    (name) => void faults.push(name),
  );
  expect(written.map(({ sequence }) => sequence)).toEqual([403]);
  expect(faults.toSorted()).toEqual(
    ['a-folder.json', damaged, damaged.replace('-401-', '-402-')].toSorted(),
  );
  expect((await readdir(folder)).map((name) => join(folder, name))).toContain(third);
  expect(await readdir(waiting)).toHaveLength(3);
  expect(first).not.toBe(third);
});

test('a damaged notice is set aside, and every number is still reported', async () => {
  const authority = odsCodeSchema.parse('ZZ101');
  let damaged = 0;
  const add = (nth: number) => writeNotice(folder, notice(nth), () => (damaged += 1));
  await add(601);
  await add(602);
  expect((await readNotice(folder, authority, 4))?.numbers).toHaveLength(2);
  await writeFile(join(folder, 'inactive-numbers-ZZ101-4.json'), '{"cut');
  await add(603);
  expect(damaged).toBe(1);
  expect((await readNotice(folder, authority, 4))?.numbers).toEqual([
    { nhsNumber: testNumber(603) },
  ]);
  expect(await readdir(folder)).toContain('inactive-numbers-ZZ101-4.json.damaged');
});

test('a file that is loaded again removes nothing from its notice that was added since', async () => {
  const authority = odsCodeSchema.parse('ZZ101');
  const loaded = { ...notice(601), omitted: 7 };
  await writeNotice(folder, loaded);
  await writeNotice(folder, notice(602));
  await writeNotice(folder, loaded);
  expect(await readNotice(folder, authority, 4)).toMatchObject({
    numbers: [{ nhsNumber: testNumber(602) }, { nhsNumber: testNumber(601) }],
    omitted: 7,
  });
});
