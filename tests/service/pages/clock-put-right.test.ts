import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { authoritySchema } from '#schemas/authority.ts';
import { openCouncilNumbers } from '#service/pages/councils/numbers.ts';
import { createCookies } from '#service/pages/session/cookies.ts';
import { openSealer } from '#service/pages/session/seal.ts';
import { createSessions } from '#service/pages/session/sessions.ts';
import { createLog } from '#service/telemetry/create-log.ts';

/** Correcting a clock that was ahead keeps nothing alive that is over. */

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

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

test('an idle session still ends after ten minutes', async () => {
  let clock = Date.now() + 60 * MINUTE;
  const sealer = await openSealer(join(folder, 'keys'), true, {
    everyMs: MINUTE,
    onProblem: () => undefined,
  });
  const cookies = createCookies(() => false);
  const sessions = createSessions({
    sealer,
    cookies,
    endings: {
      current: true,
      isRead: true,
      state: { ok: true, detail: '', since: '' },
      isLost: () => false,
      now: () => clock,
      hasEnded: () => false,
      endSession: () => Promise.resolve(),
      endByToken: () => Promise.resolve(true),
      once: () => Promise.resolve(true),
      choose: () => Promise.resolve('first'),
      stop: () => undefined,
    },
    isProvider: () => true,
    blocked: () => false,
    revoked: () => false,
    now: () => clock,
  });
  const organisation = { code: 'ZZH01', name: 'Example Hospital' };
  const session = sessions.begin({
    provider: 'test',
    settings: 'digest',
    issuer: 'https://issuer.example',
    client: 'client',
    subject: 'user-1',
    user: 'user-1',
    name: 'A Nurse',
    role: { id: '1', code: 'R8001', name: 'Nurse', organisation, activities: [] },
    scopes: [],
  });
  const read = () => sessions.read({ headers: { cookie: session?.cookie.split(';')[0] } }).kind;
  expect(read()).toBe('open');
  clock -= 60 * MINUTE;
  expect(read()).toBe('over');
  sealer.stop();
});
