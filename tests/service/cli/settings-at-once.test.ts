import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { odsCodeSchema } from '#schemas/authority.ts';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import { keys } from '#store/keys.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';

const run = commandsInTurn();
const CODE = odsCodeSchema.parse('ZZ101');
const LIST: ExpectedAuthorities = {
  area: 'Testshire',
  kind: 'pilot',
  authorities: [{ code: CODE, name: 'Test Council' }],
};
let t: TestStore;
let columns: string;
let expected: string;

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  const details = { name: 'Test Council', emergencyDutyTeamPhone: '02079460100' };
  await t.store.setAuthority(CODE, details, 'test');
  await t.store.setExpected(LIST, { by: 'A. Example', reason: 'test' });
  columns = join(t.dataDir, 'columns.json');
  writeFileSync(columns, JSON.stringify({ columns: { local_id: 'Case' } }));
  expected = join(t.dataDir, 'expected.json');
  const authorities = [...LIST.authorities, { code: 'ZZ102', name: 'Other Council' }];
  writeFileSync(expected, JSON.stringify({ ...LIST, authorities }));
});
afterAll(() => t?.stop());

const changed = (field: string, value: string) => () =>
  t.admin.hset(keys.authority(CODE), field, value);
const listed = (list: ExpectedAuthorities) => () =>
  t.admin.hset(keys.dataset, 'expected', JSON.stringify(list));

test.each([
  [
    'an emergency number',
    () => ['authority', 'set', CODE, '--emergency', '02079460101'],
    changed('emergencyDutyTeamPhone', '02079460102'),
  ],
  [
    'office hours',
    () => ['authority', 'set', CODE, '--office-hours', 'Mon-Fri 09:00-17:00'],
    changed('officeHours', 'Mon-Fri 08:00-16:00'),
  ],
  [
    'what a council calls its columns',
    () => ['authority', 'set', CODE, '--columns', columns],
    changed('columns', '{"columns":{"local_id":"Reference"}}'),
  ],
  [
    'its limits',
    () => ['authority', 'set', CODE, '--removals-stop-share', '0.5'],
    changed('breakers', '{"removalsStopShare":0.4}'),
  ],
  [
    'the area of the list of expected authorities',
    () => ['authority', 'expect', '--file', expected, '--by', 'A. Example', '--reason', 'test'],
    listed({ ...LIST, area: 'Another area' }),
  ],
] as const)(
  'a command never overwrites unseen what somebody changed at the same moment: %s',
  async (_, args, change) => {
    await t.admin.set(keys.settingsLock, 'somebody else', 'PX', 60_000);
    const before = await calls();
    const ended = run(args(), { DATA_DIR: t.dataDir });
    // It has read what it compares before it asks for its turn, which it does again and again.
    await until(async () => (await calls()) > before + 10, 'the command to wait for its turn');
    await change();
    await t.admin.del(keys.settingsLock);
    const { code, stderr } = await ended;
    expect(stderr).toContain('Somebody else changed this at the same moment');
    expect(code).toBe(1);
  },
);

/** How often functions of Redis have been called: once a second by the store, some forty times by a waiting command. */
async function calls(): Promise<number> {
  const stats = await t.admin.info('commandstats');
  return Number(/^cmdstat_fcall:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
}
