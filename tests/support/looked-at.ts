import type { NhsNumber } from '#schemas/nhs-number.ts';
import { claims, startTestService, type TestService } from './service.ts';
import { untilAskedOnce } from './until.ts';

/** A service in which three nurses have each looked at a child once. */
export async function startLookedAt(nhsNumber: NhsNumber): Promise<TestService> {
  let service: TestService | undefined;
  // A look that had to be made again may count twice.
  return untilAskedOnce([1, 2, 3], async () => {
    await service?.stopAndRemove();
    const started = await startTestService({
      authorities: [{ code: 'ZZ101', rows: [{ nhsNumber }] }],
    });
    service = started;
    for (const sub of ['nurse-1', 'nurse-2', 'nurse-3']) {
      // The issuer is the demo's, so that a user is the same person on the pages and in the API.
      const token = await started.token(claims({ sub }));
      const { status } = await started.answered({ nhsNumber }, { token });
      if (status !== 200) throw new Error(`answered ${status}`);
    }
    return started;
  });
}
