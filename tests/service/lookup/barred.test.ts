import { expect, test } from 'vitest';
import type { RecordedEvent } from '#schemas/audit/audit-event.ts';
import { lookUpAlone } from '../../support/lookup-parts.ts';

/** A lookup by a user who is barred. The store records the event when the test lets it, or fails. */
function barredLookup(record: (event: RecordedEvent) => Promise<void>) {
  const spooled: RecordedEvent[] = [];
  const answer = lookUpAlone({
    store: {
      lookup: () =>
        Promise.resolve({ kind: 'could-not-check', cause: 'store', barredBy: ['ZZ101'] }),
      underWay: () => 0,
      idle: () => Promise.resolve(),
      record,
    },
    recorder: { record: (event) => void spooled.push(event) },
  });
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
