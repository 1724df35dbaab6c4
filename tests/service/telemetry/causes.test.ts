import { existsSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { asLoadFailed } from '#loaders/load-failed.ts';
import { parseEntry } from '#service/audit/log/sealed.ts';
import { causeOf, StoreNotWhole } from '#store/errors.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

const SECRETS = ['999000', 'Nighting'];
const EVENT = '{"partition":1,"number":1,"at":1,"by":"Nightingale","nhsNumber":"9990000018"}';

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore();
});
afterAll(() => t.stop());

function errorOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : '');
const hasSecret = (text: string): boolean => SECRETS.some((secret) => text.includes(secret));

test.each(['"Nightingale"', '"9990000018"'])(
  'an entry of the log that is damaged at %s is named by its place, and nothing of it is repeated',
  (part) => {
    const text = EVENT.replace(part, `x${part}`);
    expect(hasSecret(messageOf(errorOf(() => JSON.parse(text))))).toBe(true);
    expect(messageOf(errorOf(() => parseEntry(text, 17)))).toBe(
      'Entry 17 of the audit log cannot be read.',
    );
  },
);

test('the cause of a fault, as logs and statuses have it, repeats nothing of the data that it arose from', async () => {
  const db = new DatabaseSync(':memory:');
  const faults: [unknown, string][] = [
    [errorOf(() => JSON.parse(EVENT.replace('"9990', 'x"9990'))), 'SyntaxError'],
    [errorOf(() => z.strictObject({}).parse({ 'Nightingale 9990000018': 1 })), 'ZodError'],
    [
      errorOf(() => readFileSync('/nowhere/Nightingale 9990000018.csv')),
      'ENOENT: no such file or directory',
    ],
    [errorOf(() => new URL('Nightingale 9990000018')), 'ERR_INVALID_URL'],
    [await t.admin.call('Nightingale', '9990000018').catch((error: unknown) => error), 'ERR'],
    [errorOf(() => db.exec('SELECT * FROM absent')), 'no such table: absent'],
    [new StoreNotWhole('The store is not whole.'), 'The store is not whole.'],
    [new Error('An own sentence.'), 'An own sentence.'],
    ['Nightingale', 'unknown'],
  ];
  for (const [error, cause] of faults) {
    expect(causeOf(error)).toBe(cause);
    expect(hasSecret(asLoadFailed(error, (why) => why).message), cause).toBe(false);
  }
  expect(faults.filter(([error]) => hasSecret(messageOf(error)))).toHaveLength(4);
  expect(existsSync('/nowhere')).toBe(false);
});
