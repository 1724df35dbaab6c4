import { randomUUID } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { planTypes } from '#schemas/plans/plan.ts';
import { changedTree } from '../../support/changed-tree.ts';
import { cpFlags, readDemo, root, startServing } from '../../support/processes.ts';
import { testFolder } from '../../support/service.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

/** A fourth plan type, which needs no other change. */
const ENTRY = `
  'special-guardianship': {
    letter: 'G',
    cpis: 'SGO',
    upload: 'SGOIU',
    label: 'Special Guardianship',
    snomed: { code: '1111111111', display: 'Special guardianship' },
    spine: { template: 'COCT_TP146109GB01.SGOInformation', prefix: 'sGO' },
    subject: 'child',
    end: 'end',
    shownForDaysAfterEnd: 30,
    caseSystemName: /^sgo$/,
    inForce: 'This child has a special guardian.',
    heading: 'This child has a special guardian',
    alsoHeading: 'has a special guardian',
    listed: 'Special guardianship',
    inCare: false,
    inNegative: 'special guardianship',
  },`;

let folder: string;
let tree: string;
let service: Awaited<ReturnType<typeof startServing>>;
const environment = () => ({ DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn' });

beforeAll(async () => {
  folder = await testFolder();
  tree = await changedTree(folder, [
    { file: 'schemas/plans/plan.ts', after: 'export const PLAN_TYPES = {', text: ENTRY },
  ]);
  service = await startServing(['--demo'], environment(), tree);
});
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

test('a plan type added as one entry can be uploaded, shown with its own words, and exported', async () => {
  const planned = planOf(7);
  const xml = fileXml(upload({ authority: 'ZZ501', sequence: 1, records: [planned] }))
    .replaceAll('COCT_TP146101GB01', 'COCT_TP146109GB01')
    .replaceAll('CPPInformation', 'SGOInformation')
    .replaceAll('cPP', 'sGO');
  expect(xml).toContain('sGOStartDate');
  const file = join(folder, 'ZZ501-1.xml');
  await writeFile(file, xml);
  const loaded = await cpFlags(['load', file], environment(), tree).ended;
  expect(loaded).toMatchObject({ code: 0, stderr: '' });

  const nhsNumber = z.string().parse(/999[0-9]{7}/.exec(xml)?.[0]);
  const { tokens } = await readDemo(environment().DATA_DIR);
  const token = Object.values(tokens)[0] ?? '';
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'x-request-id': randomUUID(),
  };
  const answer = await fetch(`${service.baseUrl}/lookup`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ nhsNumber }),
  });
  expect(await answer.json()).toMatchObject({
    outcome: 'flagged',
    flags: [{ type: 'special-guardianship', status: 'current' }],
    advice: expect.arrayContaining([
      expect.stringContaining('This child has a special guardian. Ring Test Council'),
    ]) as string[],
  });
  const holdings = await cpFlags(
    ['holdings', 'ZZ501', '--csv', '--reason', 'test'],
    environment(),
    tree,
  ).ended;
  expect(holdings.stdout).toContain('SGO');
});

test('only its entry decides how a plan type is treated', () => {
  // The generator of made-up people and the examples in the API description have to choose a plan type.
  const choosing = /^(?:schemas\/plans\/plan|loaders\/synthetic\/|service\/description\/examples)/;
  const deciding = globSync('{schemas,store,loaders,service}/**/*.ts', { cwd: root })
    .filter((file) => !choosing.test(file))
    .filter((file) =>
      planTypes.some((type) => readFileSync(join(root, file), 'utf8').includes(`'${type}'`)),
    );
  expect(deciding).toEqual([]);
});
