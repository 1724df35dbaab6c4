import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { ATTENDANCE, LIST, NOT_CHECKED, SIGN_IN_REFUSED } from '#schemas/wording/pages.ts';
import { type Service, startService } from '#service/main.ts';
import { HELD_FOR_MS } from '#service/pages/session/twice.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { findEmbeddedRedis } from '#store/connection/embedded-redis.ts';
import { type Cis2, openFor, startCis2, throughCis2 } from '../../support/cis2.ts';
import { HEADINGS } from '../../support/pages.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';
import { START_MS, untilAnswered } from '../../support/until.ts';
import {
  createVisitor,
  hiddenOf,
  locationOf,
  signedIn,
  type Visit,
  type Visitor,
  wordsOf,
} from '../../support/visitor.ts';

/**
 * A load balancer may send the two requests of a double click to two processes, which share only Redis and the keys.
 */

const PLAN = testNumber(7_501);
const OTHER = testNumber(7_502);

let first: TestService;
let second: Service;
let cis2: Cis2;
let folder: string;

beforeAll(async () => {
  folder = await testFolder();
  cis2 = await startCis2();
  const opened = await openFor(cis2, folder);
  const environment = { ...opened.environment, PASTED_LISTS_A_DAY: '5' };
  first = await startTestService({
    environment,
    authorities: [
      {
        code: 'ZZ101',
        name: 'Northmoor Council',
        rows: [{ nhsNumber: PLAN }, { nhsNumber: OTHER }],
      },
    ],
  });
  const redis = await findEmbeddedRedis(first.dataDir);
  if (redis === undefined) throw new Error('no Redis is running');
  const { username, password } = redis.users.lookup;
  await writeFile(join(folder, 'password'), password);
  second = await startService(
    readConfiguration({
      ...environment,
      ROLE: 'lookup',
      PORT: '0',
      DATA_DIR: folder,
      REDIS_URL: `unix://${username}@socket${redis.socketPath}`,
      REDIS_PASSWORD_FILE: join(folder, 'password'),
    }),
    { log: createLog('silent') },
  );
});
afterAll(async () => {
  await second?.stop();
  await first?.stopAndRemove();
  await cis2?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** The same browser, as far as its cookies go, whose requests go to the other process. */
function atSecond(here: Visitor): Visitor {
  const there = createVisitor(second.baseUrl);
  for (const [name, value] of here.jar) there.jar.set(name, value);
  return there;
}

/** One browser whose requests go to both processes. */
async function signedInAtBoth(person?: string): Promise<[Visitor, Visitor]> {
  const here = await signedIn(first, person);
  const there = atSecond(here);
  await until(async () => (await there.get('/look-up')).status === 200, 'the second process');
  return [here, there];
}

/** What `send` leads to once none of its answers says that it could not be checked at the moment. */
const shownByBoth = <T extends { answers: Visit[] }>(send: () => Promise<T>): Promise<T> =>
  untilAnswered(async () => {
    const sent = await send();
    const isChecked = sent.answers.every(
      ({ status, heading }) => status !== 503 && heading !== LIST.summary(2, 1),
    );
    return { ...sent, status: isChecked ? 200 : 503 };
  });

/**
 * What came of sending something twice within the time in which that counts as one double click. On a slow machine the
 * second may come later, or Redis may not answer in time, and then it is prepared and sent again.
 */
async function inOnePress<S, T extends { answers: Visit[] }>(
  prepare: () => Promise<S>,
  press: (prepared: S) => Promise<T>,
): Promise<T> {
  const giveUpAt = performance.now() + START_MS;
  while (performance.now() < giveUpAt) {
    const prepared = await prepare();
    const pressedAt = performance.now();
    const pressed = await press(prepared);
    const isInTime = performance.now() - pressedAt < HELD_FOR_MS;
    if (isInTime && pressed.answers.every(({ status }) => status !== 503)) return pressed;
  }
  throw new Error('something always came too late');
}

const looked = async (nhsNumber: string): Promise<number> =>
  (await first.events()).filter((event) => event.type === 'lookup' && event.nhsNumber === nhsNumber)
    .length;

test('a look sent to two processes at once is made and recorded once, and the other process shows nothing', async () => {
  const [here, there] = await signedInAtBoth();
  const { before, answers } = await shownByBoth(async () => {
    const fields = { ...(await here.form('/look-up')), number: PLAN };
    return {
      before: await looked(PLAN),
      answers: await Promise.all([here, there].map((at) => at.post('/look-up', fields))),
    };
  });
  expect(answers.map(({ heading }) => heading).toSorted()).toEqual(
    [NOT_CHECKED.used, HEADINGS.onPlan].toSorted(),
  );
  expect(await looked(PLAN)).toBe(before + 1);
});

test('a list sent to two processes at once is looked up once', async () => {
  const [here, there] = await signedInAtBoth('scheduledCare');
  const { before, answers } = await shownByBoth(async () => {
    const fields = { ...(await here.form('/list')), list: `${PLAN}\n${OTHER}` };
    return {
      before: await looked(OTHER),
      answers: await Promise.all([here, there].map((at) => at.post('/list', fields))),
    };
  });
  expect(answers.map(({ heading }) => heading).toSorted()).toEqual(
    [NOT_CHECKED.used, LIST.summary(2, 2)].toSorted(),
  );
  expect(await looked(OTHER)).toBe(before + 1);
});

test('an outcome sent to two processes at once is recorded by each for the same look', async () => {
  const [here, there] = await signedInAtBoth('ambulanceService');
  const answer = await here.lookUp(PLAN);
  const fields = { ...hiddenOf(answer, '/look-up/attendance'), attended: 'seen' };
  const said = await Promise.all([here, there].map((at) => at.post('/look-up/attendance', fields)));
  expect(said.map(({ heading }) => heading)).toEqual([ATTENDANCE.recorded, ATTENDANCE.recorded]);
  const looks = (await first.events()).filter(
    (event) => event.type === 'attendance' && event.nhsNumber === PLAN,
  );
  // A notification has only the latest outcome of a look, so the council learns the same as from one process.
  expect(looks).toHaveLength(2);
  expect(new Set(looks.map((event) => 'lookupId' in event && event.lookupId)).size).toBe(1);
});

test('a return from the provider that is sent to two processes makes one session, and the other process leads into it', async () => {
  const { here, before, led, again } = await inOnePress(
    async () => {
      const here = createVisitor(first.baseUrl);
      cis2.next('555000029999');
      const { pathname, search } = await throughCis2(cis2, await here.get('/sign-in/cis2'));
      const there = atSecond(here);
      await until(async () => (await there.get('/sign-in')).status === 200, 'the second process');
      return { here, there, back: `${pathname}${search}`, before: cis2.tokensAsked };
    },
    async ({ here, there, back, before }) => {
      const led = await here.get(back);
      const again = await there.get(back);
      return { here, before, led, again, answers: [led, again] };
    },
  );
  expect(locationOf(led)).toBe('/look-up');
  expect(again.heading).toBe(SIGN_IN_REFUSED.again);
  expect(again.headers.get('refresh')).toMatch(/^[0-9]+; url=\/$/);
  expect(cis2.tokensAsked).toBe(before + 1);
  // In the browser, which has the first answer as well.
  const browser = atSecond(here);
  expect(locationOf(await browser.get('/'))).toBe('/look-up');
  expect((await browser.get('/look-up')).status).toBe(200);
});

describe('a return from the provider that is sent to two processes leads into nobody else’s session', () => {
  /** Where a page goes on to by itself, and where that leads with the cookies of a browser. */
  const goesOnTo = ({ headers }: Visit): string =>
    /url=(.+)$/.exec(headers.get('refresh') ?? '')?.[1] ?? '';

  /** A browser at both processes in which somebody is signed in, and the address with which another person returns. */
  async function another() {
    const here = createVisitor(first.baseUrl);
    cis2.next('555000040001');
    const own = await throughCis2(cis2, await here.get('/sign-in/cis2'));
    expect(locationOf(await here.get(`${own.pathname}${own.search}`))).toBe('/look-up');
    const there = atSecond(here);
    await until(async () => (await there.get('/look-up')).status === 200, 'the second process');
    cis2.next('555000040002', { name: 'Other Nurse' });
    const { pathname, search } = await throughCis2(cis2, await here.get('/sign-in/cis2'));
    return { here, there: atSecond(here), back: `${pathname}${search}` };
  }

  test.for([
    { ends: 'then says who it is', isNamed: true },
    { ends: 'then says nothing', isNamed: false },
  ])('while the provider takes long, and $ends', async ({ isNamed }) => {
    const held: { claims: PromiseWithResolvers<void>; answer: Promise<Visit> }[] = [];
    try {
      const { here, there, claims, answer, again } = await inOnePress(
        another,
        async ({ here, there, back }) => {
          const claims = Promise.withResolvers<void>();
          cis2.beforeClaims(async () => {
            await claims.promise;
            if (!isNamed) throw new Error('away');
          });
          const before = cis2.tokensAsked;
          const answer = here.get(back);
          held.push({ claims, answer });
          await until(() => cis2.tokensAsked > before, 'the first process');
          const again = await there.get(back);
          // The first process waits a few seconds for the provider, so it waits for nothing more than this answer.
          if (isNamed) claims.resolve();
          return { here, there, claims, answer, again, answers: [again] };
        },
      );
      expect(again.heading).toBe(SIGN_IN_REFUSED.again);
      const to = goesOnTo(again);
      expect(again.text).toContain(`class="nhsuk-button" href="${to}"`);
      if (isNamed) {
        expect(locationOf(await answer)).toBe('/look-up');
        // The browser now has the cookie of the new session.
        expect(locationOf(await here.get(to))).toBe('/look-up');
        expect(wordsOf(await here.get('/look-up'))).toContain('Other Nurse');
      } else {
        // The session of the person before is still open.
        expect(locationOf(await there.get(to))).toBe('/sign-in');
        claims.resolve();
        expect((await answer).heading).toBe(SIGN_IN_REFUSED.unavailable);
        expect(locationOf(await here.get(to))).toBe('/sign-in');
      }
    } finally {
      for (const { claims, answer } of held) {
        claims.resolve();
        await answer;
      }
    }
  });
});

describe('a choice of a role sent to two processes', () => {
  let counted = 0;

  /** One browser at both processes, and the fields of its form for each of two roles. */
  async function choosing() {
    const here = createVisitor(first.baseUrl);
    const roles = [{ id: '1' }, { id: '2', role: 'Other Nurse Role' }];
    cis2.next(`5550000${20_000 + ++counted}`, { roles, selectedRole: undefined });
    const { pathname, search } = await throughCis2(cis2, await here.get('/sign-in/cis2'));
    const page = await here.get(`${pathname}${search}`);
    const [one = '', other = ''] = [
      ...page.text.matchAll(/name="role" type="radio" value="([^"]+)"/g),
    ].map(([, role = '']) => role);
    const there = atSecond(here);
    await until(async () => (await there.get('/sign-in')).status === 200, 'the second process');
    const fields = hiddenOf(page, '/role');
    return { here, there, one: { ...fields, role: one }, other: { ...fields, role: other } };
  }

  test('leads into one session, at the same moment or once the first answer is lost', async () => {
    for (const isAtOnce of [true, false]) {
      const { here, there, answers } = await inOnePress(choosing, async ({ here, there, one }) => ({
        here,
        there,
        answers: isAtOnce
          ? await Promise.all([here.post('/role', one), there.post('/role', one)])
          : [await here.post('/role', one), await there.post('/role', one)],
      }));
      expect(answers.map(locationOf)).toEqual(['/look-up', '/look-up']);
      expect((await there.get('/look-up')).status).toBe(200);
      const form = hiddenOf(await there.get('/look-up'), '/sign-out');
      await untilAnswered(() => there.post('/sign-out', form));
      await until(async () => (await here.get('/look-up')).status === 303, 'the session to end');
    }
  });

  test('counts for the first role only', async () => {
    const { here, there, one, other } = await choosing();
    expect(locationOf(await here.post('/role', one))).toBe('/look-up');
    const second = await there.post('/role', other);
    expect(second.heading).toBe(SIGN_IN_REFUSED.notFinished);
    expect((await there.get('/look-up')).headers.get('location')).toBe('/sign-in');
  });

  test('does not bring back a session that has ended meanwhile', async () => {
    const { here, there, one } = await choosing();
    await here.post('/role', one);
    const ended = atSecond(here);
    const form = hiddenOf(await here.get('/look-up'), '/sign-out');
    await untilAnswered(() => here.post('/sign-out', form));
    await until(async () => (await ended.get('/look-up')).status === 303, 'the second process');
    expect((await there.post('/role', one)).heading).toBe(SIGN_IN_REFUSED.notFinished);
  });
});
