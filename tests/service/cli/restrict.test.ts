import { expect, test } from 'vitest';
import { RESTRICTION } from '#schemas/wording/restrictions.ts';
import { councilCommand } from '../../support/council-command.ts';
import { testNumber } from '../../support/rows.ts';

const CHILD = testNumber(1);
const WHY = ['--by', 'A. Example', '--reason', 'moved to safety'];

const restrict = councilCommand('restrict');

test('an operator protects whereabouts and bars a user for a council, lists both without naming child or user, and ends them', async () => {
  expect((await restrict(['--child', CHILD, '--whereabouts', ...WHY])).code).toBe(2);
  expect((await restrict(['--child', '-', ...WHY], CHILD)).code).toBe(2);
  expect((await restrict(['--child', '-', '--whereabouts'], CHILD)).code).toBe(2);
  const none = await restrict(['--child', '-', '--whereabouts', ...WHY], testNumber(2));
  expect([none.code, none.stderr]).toEqual([
    1,
    `cp-flags: ${RESTRICTION.refused['no-such-child']}\n`,
  ]);

  const done = await restrict(['--child', '-', '--whereabouts', ...WHY], CHILD);
  expect([done.code, done.stderr]).toEqual([0, '']);
  expect(done.stdout).toContain(RESTRICTION.set.whereabouts);
  const barred = await restrict(['--child', '-', '--bar', '555000111222', ...WHY], CHILD);
  expect(barred.stdout).toContain(RESTRICTION.set.barred);
  const id = /--end ([a-z]+)/.exec(barred.stdout)?.[1] ?? '';
  const listed = await restrict(['--list']);
  expect(listed.stdout).toContain(`${id}  ${RESTRICTION.kinds.barred}: in force`);
  expect(listed.stdout).toContain(RESTRICTION.kinds.whereabouts);
  expect(listed.stdout).not.toMatch(/999|LA-1|555000111222/);

  const ended = await restrict(['--end', id, ...WHY]);
  expect([ended.code, ended.stdout]).toEqual([0, `${RESTRICTION.ended.barred}\n`]);
  expect((await restrict(['--end', 'bcdf', ...WHY])).stderr).toContain(RESTRICTION.refused.gone);
  expect((await restrict(['--list'])).stdout).toContain(`${RESTRICTION.kinds.barred}: ended`);
});
