import { expect, test } from 'vitest';
import type { RecordedEvent } from '#schemas/audit/audit-event.ts';
import { callerOf } from '#schemas/people/caller.ts';
import { PLAIN } from '#service/lookup/answer.ts';
import { createLookup } from '#service/lookup/lookup.ts';
import { lookupParts } from '../../support/lookup-parts.ts';
import { testNumber } from '../../support/rows.ts';
import { role } from '../../support/service.ts';

/** A lookup by a user who is barred. The store records the event when the test lets it, or fails. */
function barredLookup(record: (event: RecordedEvent) => Promise<void>) {
  const spooled: RecordedEvent[] = [];
  const lookUp = createLookup({
    ...lookupParts(),
    store: {
      lookup: () =>
        Promise.resolve({ kind: 'could-not-check', cause: 'store', barredBy: ['ZZ101'] }),
      underWay: () => 0,
      idle: () => Promise.resolve(),
      record,
    },
    recorder: { record: (event) => void spooled.push(event) },
    versions: () => ({ functions: 'f', configuration: 'c' }),
  });
  const identity = {
    issuer: 'issuer',
    client: 'client',
    user: 'parent',
    name: 'Pat Parent',
    role: role('role-1', ['B0107']),
    scopes: [],
  };
  const answer = lookUp(
    {
      kind: 'admitted',
      ids: { requestId: '00000000-0000-4000-8000-000000000000' },
      caller: callerOf(identity),
      access: {
        kind: 'granted',
        access: 'unscheduled',
        decidedBy: 'activity',
        setting: 'ambulance',
      },
    },
    { nhsNumber: testNumber(1) },
    PLAIN,
    undefined,
    undefined,
  );
  return { answer, spooled };
}
const ATTEMPT = { type: 'could-not-check', cause: 'barred', barredBy: ['ZZ101'] };
const ANSWER = { kind: 'could-not-check', code: 'could-not-check' };

test('an attempt by a barred user is on disk before it is answered', async () => {
  const written = Promise.withResolvers<void>();
  const events: RecordedEvent[] = [];
  const { answer, spooled } = barredLookup((event) => {
    events.push(event);
    return written.promise;
  });
  let answered = false;
  const settled = answer.then(() => (answered = true));
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(events).toMatchObject([ATTEMPT]);
  expect(answered).toBe(false);
  written.resolve();
  await settled;
  expect(await answer).toEqual(ANSWER);
  expect(spooled).toEqual([]);
});

test('an attempt that the store does not take gets the same answer, and waits on disk for the store', async () => {
  const { answer, spooled } = barredLookup(() => Promise.reject(new Error('away')));
  expect(await answer).toEqual(ANSWER);
  expect(spooled).toMatchObject([ATTEMPT]);
});
