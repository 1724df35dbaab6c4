import { expect, test } from 'vitest';
import { readEntry } from '#service/notifications/accesses.ts';
import { lookupEventOf } from '../../support/lookup-event.ts';

test('an attempt by a barred user is reported to those who bar them and, of the councils that protect the child, to the first', () => {
  const attempt = lookupEventOf({
    type: 'could-not-check',
    at: Date.parse('2026-11-24T03:00:00Z'),
    cause: 'barred',
    barredBy: ['ZZ101', 'ZZ102'],
    protectedBy: ['ZZ103', 'ZZ104'],
  });
  const read = readEntry(Buffer.from(JSON.stringify(attempt)));
  const accesses = read.kind === 'accesses' ? read.accesses : [];
  expect(accesses.map(({ authority }) => authority)).toEqual(['ZZ101', 'ZZ102', 'ZZ103']);
  expect(accesses).toMatchObject(
    accesses.map(() => ({ barred: true, atOnce: true, plans: [], keptBy: ['ZZ103', 'ZZ104'] })),
  );
});
