import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';

const CHILD = testNumber(501);
let service: TestService;

beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
});
afterAll(() => service?.stopAndRemove());

/** The paths listed in the table in docs/operating/data-folder.md. */
const documented = new Set(
  [
    ...readFileSync(
      new URL('../../../docs/operating/data-folder.md', import.meta.url),
      'utf8',
    ).matchAll(/^\| ([^|]*) \|/gm),
  ].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path)),
);

/** Whether the table lists this file or folder, either by name or by a pattern with a `*`. */
const isDocumented = (path: string): boolean =>
  [...documented].some((pattern) =>
    new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`).test(path),
  );

test('docs/operating/data-folder.md names every file that a running service makes', async () => {
  expect((await service.answered({ nhsNumber: CHILD })).status).toBe(200);
  expect((await service.lookup({ nhsNumber: '9990000000' })).status).toBe(400);
  await until(() => existsSync(join(service.dataDir, 'audit', 'tile')), 'the sealing');
  await until(() => existsSync(join(service.dataDir, 'audit-index')), 'the index');
  const paths = ['', 'audit', 'anchor', 'audit-index', 'redis'].flatMap((folder) =>
    readdirSync(join(service.dataDir, folder), { withFileTypes: true }).map((entry) =>
      join(folder, entry.isDirectory() ? `${entry.name}/` : entry.name),
    ),
  );
  expect(paths.filter((path) => !isDocumented(path))).toEqual([]);
});

/** In the log's numeric levels, a warning or anything above it needs attention. */
const WARNING = 40;
const lineSchema = z.object({ level: z.number() }).loose();

test('a healthy service logs nothing alarming from its start to its end', async () => {
  await service.stop();
  const alarming = service.lines.filter(
    (line) => lineSchema.parse(JSON.parse(line)).level >= WARNING,
  );
  expect(service.lines.length).toBeGreaterThan(0);
  expect(alarming).toEqual([]);
});
