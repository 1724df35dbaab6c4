import { expect, test } from 'vitest';
import { WITHDRAWAL } from '#schemas/wording/withdrawals.ts';
import { councilCommand } from '../../support/council-command.ts';
import { testNumber } from '../../support/rows.ts';

const CHILD = testNumber(1);
const WHY = ['--by', 'A. Example', '--reason', 'typed under a twin’s number'];

const withdraw = councilCommand('withdraw');

test('an operator withdraws a flag for two people, lists it without naming the child, and undoes it', async () => {
  expect((await withdraw(['--child', CHILD, ...WHY])).code).toBe(2);
  expect((await withdraw(['--child', '-', ...WHY], CHILD)).code).toBe(2);
  const alone = await withdraw(['--child', '-', '--confirmed-by', 'a. example', ...WHY], CHILD);
  expect([alone.code, alone.stderr]).toEqual([
    1,
    `cp-flags: ${WITHDRAWAL.refused['same-person']}\n`,
  ]);
  const none = await withdraw(['--child', '-', '--urgent', ...WHY], testNumber(2));
  expect([none.code, none.stderr]).toEqual([1, `cp-flags: ${WITHDRAWAL.noSuchPlan}\n`]);

  const done = await withdraw(['--child', '-', '--confirmed-by', 'B. Example', ...WHY], CHILD);
  expect([done.code, done.stderr]).toEqual([0, '']);
  const id = /--undo ([a-z]+)/.exec(done.stdout)?.[1] ?? '';
  const listed = await withdraw(['--list']);
  expect(listed.stdout).toContain(`${id}  Child Protection Plan`);
  expect(listed.stdout).toContain(WITHDRAWAL.standing['in-force']);
  // Each time in the list has milliseconds, which may be 999.
  expect(listed.stdout.replaceAll(/[.][0-9]{3}Z/g, 'Z')).not.toMatch(/999|LA-1/);
  const again = await withdraw(['--child', '-', '--urgent', ...WHY], CHILD);
  expect(again.stderr).toContain(WITHDRAWAL.noSuchPlan);

  const undone = await withdraw(['--undo', id, ...WHY]);
  expect([undone.code, undone.stdout]).toEqual([0, `${WITHDRAWAL.undone}\n`]);
  expect((await withdraw(['--list'])).stdout).toContain(WITHDRAWAL.standing.undone);
});

test.each([
  ['urgently', ['--urgent'], 'A. Example'],
  ['for two people', ['--confirmed-by', 'B. Example'], 'B. Example'],
])(
  'a flag withdrawn %s, by a command whose answer was lost, is said to be withdrawn: when and by whom',
  async (_, how, name) => {
    const command = ['--child', '-', ...how, ...WHY];
    const first = await withdraw(command, CHILD);
    expect([first.code, first.stdout]).toEqual([0, expect.stringContaining(WITHDRAWAL.done)]);
    const again = await withdraw(command, CHILD);
    expect([again.code, again.stderr]).toEqual([0, '']);
    const id = /--undo ([a-z]+)/.exec(again.stdout)?.[1] ?? '';
    const listed = (await withdraw(['--list'])).stdout
      .split('\n')
      .find((line) => line.startsWith(id));
    const at = / by [^;]* at (\S+)$/.exec(listed ?? '')?.[1] ?? 'never';
    expect(again.stdout).toContain(WITHDRAWAL.doneBefore(name, at));
    const theirs = await withdraw(
      [...command, '--by', 'C. Example', ...how.map((each) => each.replace('B.', 'D.'))],
      CHILD,
    );
    expect([theirs.code, theirs.stderr]).toEqual([1, `cp-flags: ${WITHDRAWAL.noSuchPlan}\n`]);
    expect((await withdraw(['--undo', id, ...WHY])).code).toBe(0);
  },
);

test('a withdrawal for two people that is refused does not stay as a request that waits', async () => {
  let urgently = await withdraw(['--child', '-', '--urgent', ...WHY], CHILD);
  while (urgently.code === 0) {
    const id = /--undo ([a-z]+)/.exec(urgently.stdout)?.[1] ?? '';
    expect((await withdraw(['--undo', id, ...WHY])).code).toBe(0);
    urgently = await withdraw(['--child', '-', '--urgent', ...WHY], CHILD);
  }
  const refused = await withdraw(['--child', '-', '--confirmed-by', 'B. Example', ...WHY], CHILD);
  expect([refused.code, refused.stderr]).toEqual([
    1,
    `cp-flags: ${WITHDRAWAL.refused['too-many']}\n`,
  ]);
  expect((await withdraw(['--list'])).stdout).not.toContain(WITHDRAWAL.standing.waiting);
});
