import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { problemSchema } from '#schemas/errors.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';

const CHILD = testNumber(303);

let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
  });
});
afterAll(() => service?.stopAndRemove());

/** Holds up the process for longer than the deadline, after a lookup has been read and before it is sent on. */
async function lookUpLate(): Promise<Response> {
  const { now } = performance;
  const immediate = globalThis.setImmediate;
  let heldUpMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + heldUpMs);
  vi.spyOn(globalThis, 'setImmediate').mockImplementation((work: () => void) =>
    immediate(() => {
      if (work.name === 'flush') heldUpMs += 2_100;
      work();
    }),
  );
  try {
    return await service.lookup({ nhsNumber: CHILD });
  } finally {
    vi.restoreAllMocks();
  }
}

test('an answer past its deadline is not given, and the audit says so', async () => {
  // If a second passes without a look at the store, the store is no longer trusted, so this tries again.
  await until(async () => {
    await until(async () => (await service.lookup({ nhsNumber: CHILD })).status === 200);
    const response = await lookUpLate();
    expect(response.status).toBe(503);
    expect(problemSchema.parse(await response.json()).checked).toBe(false);
    const events = await service.events();
    return events.some(
      ({ type, auditId }) =>
        type === 'not-delivered' &&
        events.some((event) => event.type === 'lookup' && event.auditId === auditId),
    );
  }, 'the event');
});
