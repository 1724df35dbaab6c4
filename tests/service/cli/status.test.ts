import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { Anchor } from '#store/trust/anchor.ts';
import { run } from '../../support/processes.ts';
import { day } from '../../support/rows.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { loader } from '../../support/upload-loading.ts';
import { fileXml, person, planOf, upload } from '../../support/upload-model.ts';

let service: TestService;
let anchor: Anchor;
let load: ReturnType<typeof loader>['load'];

beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ101' }, { code: 'ZZ102', hoursOld: 100 }],
  });
  anchor = Anchor.open(join(service.dataDir, 'anchor'));
  load = loader({ ...service, anchor }).load;
});
afterAll(async () => {
  anchor?.close();
  await service?.stopAndRemove();
});

const statusSchema = z.object({
  authorities: z.array(
    z.object({
      code: z.string(),
      lastSequence: z.number(),
      upToDate: z.boolean(),
      acceptedShare: z.number().nullable(),
      held: z.array(z.number()),
    }),
  ),
});

test('a status line shows how fresh an authority’s data is, how much of it is accepted, and what waits', async () => {
  const wrong = { ...planOf(2), child: person(2, { nhsNumber: '9990000019' }) };
  const children = Array.from({ length: 9 }, (_, n) => planOf(10 + n));
  await load(fileXml(upload({ sequence: 2, records: [...children, wrong] })));
  const ended = children.map((_, n) => planOf(10 + n, { endDate: day('2026-11-20') }));
  await load(fileXml(upload({ sequence: 3, records: ended })));

  const environment = { DATA_DIR: service.dataDir };
  const { stdout } = await run(['status', '--json'], environment);
  const { authorities } = statusSchema.parse(JSON.parse(stdout));
  expect(authorities).toMatchObject([
    { code: 'ZZ101', lastSequence: 2, upToDate: true, acceptedShare: 0.9, held: [3] },
    { code: 'ZZ102', lastSequence: 1, upToDate: false, acceptedShare: null, held: [] },
  ]);
  const text = (await run(['status'], environment)).stdout;
  expect(text).toMatch(
    /^ZZ101 .* 90 % +up to date; held: file 3 \(page Held files, or cp-flags release --list\)$/m,
  );
  expect(text).toMatch(/^ZZ102 .* - +NOT UP TO DATE: load its newest file$/m);
});
