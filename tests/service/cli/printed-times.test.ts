import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { commandsBesideDemo } from '../../support/council-command.ts';
import { day, testNumber } from '../../support/rows.ts';
import { until } from '../../support/service.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

const COUNCIL = 'ZZ301';
const CHILD = testNumber(1);
const WHY = ['--by', 'A. Example', '--reason', 'a test'];
const BLOCK = ['555021935107', '--issuer', 'https://id.example', ...WHY];

const demo = commandsBesideDemo();
const run = (args: string[], input?: string) => demo.run(args, demo.environment, input);

async function load(...uploads: Parameters<typeof upload>[0][]): Promise<string> {
  let said = '';
  for (const each of uploads) {
    const path = join(demo.files, `${each?.sequence}.xml`);
    await writeFile(path, fileXml(upload({ authority: COUNCIL, ...each })));
    said = (await run(['load', path])).stdout;
  }
  return said;
}

let held = '';
beforeAll(async () => {
  const plans = Array.from({ length: 9 }, (_, n) => planOf(n + 1));
  held = await load(
    { sequence: 1, records: plans },
    { sequence: 2, records: plans.map((_, n) => planOf(n + 1, { endDate: day('2026-11-20') })) },
  );
  await run(['withdraw', COUNCIL, '--child', '-', '--urgent', ...WHY], CHILD);
  await run(['restrict', COUNCIL, '--child', '-', '--whereabouts', ...WHY], testNumber(2));
  await run(['block', ...BLOCK]);
  // Refused until the worker has created the log.
  await until(async () => (await run(['audit', 'hold', ...WHY])).code === 0, 'a hold');
});

const AS_PROGRAMS_WRITE_IT = /[0-9]T[0-9]{2}:[0-9]{2}/;
const IN_A_SENTENCE = /[0-9]{2}:[0-9]{2} (GMT|BST) on [0-9]{1,2} [A-Z][a-z]+ 20[0-9]{2}/;
const IN_A_TABLE = /20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|BST)/;

test.each([
  ['a list of withdrawals', ['withdraw', COUNCIL, '--list'], IN_A_SENTENCE],
  ['a list of what is kept back', ['restrict', COUNCIL, '--list'], IN_A_SENTENCE],
  ['a list of blocked users', ['blocked'], IN_A_SENTENCE],
  ['a list of held files', ['release', '--list'], IN_A_SENTENCE],
  ['a list of authorities', ['authority', 'list'], IN_A_SENTENCE],
  ['a list of holds', ['audit', 'hold', '--list'], IN_A_TABLE],
  ['the status', ['status'], IN_A_TABLE],
  ['a report', ['audit', 'report', 'alerts', ...WHY], IN_A_SENTENCE],
])('%s has London’s times with their zone', async (_, args, form) => {
  let printed = '';
  await until(
    async () => {
      printed = (await run(args)).stdout;
      return form.test(printed);
    },
    `a time in ${args.join(' ')}`,
  );
  expect(printed).not.toMatch(AS_PROGRAMS_WRITE_IT);
});

test('an acknowledgement for people has London’s times with their zone', async () => {
  expect(held).toMatch(/Data as of [0-9]{2}:[0-9]{2} (GMT|BST) on /);
  expect(held).not.toMatch(AS_PROGRAMS_WRITE_IT);
});
