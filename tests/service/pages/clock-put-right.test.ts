import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { authoritySchema } from '#schemas/authority.ts';
import { openCouncilNumbers } from '#service/pages/councils/numbers.ts';
import { createLog } from '#service/telemetry/create-log.ts';

/** Correcting a clock that was ahead keeps nothing alive that is over. */

const DAY = 86_400_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-clock-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

test('a council’s changed number is shown, and an old one is never called current', async () => {
  const councilWith = (phone: string) =>
    new Map([
      [
        'ZZ101' as const,
        authoritySchema.parse({
          code: 'ZZ101',
          name: 'Northmoor Council',
          emergencyDutyTeamPhone: phone,
          emergencyDutyTeamPhoneAsOf: new Date().toISOString(),
        }),
      ],
    ]);
  const readiness = {
    authorities: councilWith('01632960001'),
    expected: undefined,
    authoritiesAt: Date.now() + DAY,
  };
  const numbers = await openCouncilNumbers(
    readiness,
    join(folder, 'councils'),
    createLog('silent'),
  );
  expect(numbers.read()).toMatchObject({ current: false });
  readiness.authorities = councilWith('01632960002');
  readiness.authoritiesAt = Date.now();
  const { current, councils } = numbers.read();
  expect([current, councils[0]?.emergencyDutyTeamPhone]).toEqual([true, '01632960002']);
  numbers.stop();
});
