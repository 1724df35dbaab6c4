import { expect, test } from 'vitest';
import { WITHDRAWAL } from '#schemas/wording/withdrawals.ts';
import { councilCommand } from '../../support/council-command.ts';
import { testNumber } from '../../support/rows.ts';
import { until } from '../../support/until.ts';

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
  expect(listed.stdout).not.toMatch(/999|LA-1/);
  const again = await withdraw(['--child', '-', '--urgent', ...WHY], CHILD);
  expect(again.stderr).toContain(WITHDRAWAL.noSuchPlan);

  const undone = await withdraw(['--undo', id, ...WHY]);
  expect([undone.code, undone.stdout]).toEqual([0, `${WITHDRAWAL.undone}\n`]);
  expect((await withdraw(['--list'])).stdout).toContain(WITHDRAWAL.standing.undone);
});

test('of two plans that began on one day, the one that the operator names is withdrawn, also if its command is repeated', async () => {
  const two = testNumber(3);
  const command = ['--child', '-', '--urgent', ...WHY];
  const [P, L] = ['child-protection-plan', 'looked-after-child'].map((type) => [
    '--type',
    type,
    '--start',
    '2026-09-14',
  ]);
  for (const which of [[], ['--start', '2026-09-14']]) {
    const ambiguous = await withdraw([...command, ...which], two);
    expect(ambiguous.code).toBe(2);
    for (const each of [P, L]) expect(ambiguous.stderr).toContain(each?.join(' '));
  }
  const idOf = (text: string) => /--undo ([a-z]+)/.exec(text)?.[1] ?? '';
  const first = await withdraw([...command, ...(L ?? [])], two);
  expect([first.code, first.stderr]).toEqual([0, '']);
  const id = idOf(first.stdout);
  expect((await withdraw(['--list'])).stdout).toContain(
    `${id}  Looked After Child, started 14 September 2026: ${WITHDRAWAL.standing['in-force']}`,
  );
  expect(idOf((await withdraw([...command, '--type', 'looked-after-child'], two)).stdout)).toBe(id);
  const other = await withdraw([...command, '--type', 'child-protection-plan'], two);
  expect(idOf(other.stdout)).not.toBe(id);
  for (const each of [id, idOf(other.stdout)]) {
    expect((await withdraw(['--undo', each, ...WHY])).code).toBe(0);
  }
  const mistyped = await withdraw([...command, '--type', 'cpp'], two);
  expect([mistyped.code, mistyped.stderr]).toEqual([
    2,
    expect.stringContaining('looked-after-child'),
  ]);
});

test('an operator is told nothing of the plans under a number before it is on record who read them, and why', async () => {
  const why = 'a number to be checked';
  const named = ['--by', 'A. Example', '--reason', why];
  const ambiguous = await withdraw(['--child', '-', '--urgent', ...named], testNumber(3));
  expect(ambiguous.stderr).toContain('looked-after-child');
  await withdraw(['--child', '-', '--urgent', '--start', '2020-01-01', ...named], CHILD);
  const search = ['audit', 'search', '--json', '--type', 'holdings-read', ...WHY];
  await until(async () => {
    const { stdout } = await withdraw.other(search);
    return stdout.split(why).length === 3;
  }, 'both readings in the log');
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
    const at = / at ([0-9:]+ (?:GMT|BST) on [^;]+)$/.exec(listed ?? '')?.[1] ?? 'never';
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
