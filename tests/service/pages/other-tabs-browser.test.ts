import { rm } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LOOK_UP, SIGN_IN, SIGN_IN_REFUSED } from '#schemas/wording/pages.ts';
import { goTo, hasBrowser, openPage, startBrowser } from '../../support/browser.ts';
import { type Cis2, openFor, startCis2 } from '../../support/cis2.ts';
import { lookUp } from '../../support/pages.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';

/** What other tabs show once one tab learns that the session they share is over. */

const PLAN = testNumber(7_401);
const NURSE = '555000021001';
const OTHER = '555000021002';
let dataDir: string;
let cis2: Cis2;
let service: TestService;
let browser: Browser;
let baseUrl: string;

beforeAll(async () => {
  if (!hasBrowser) return;
  dataDir = await testFolder();
  cis2 = await startCis2();
  const opened = await openFor(cis2, dataDir);
  ({ baseUrl } = opened);
  service = await startTestService({
    dataDir,
    environment: opened.environment,
    authorities: [{ code: 'ZZ101', name: 'Northmoor Council', rows: [{ nhsNumber: PLAN }] }],
  });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  await service?.stopAndRemove();
  await cis2?.stop();
  if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
});

/** The provider ends the session without the browser being told. */
async function endSession(): Promise<void> {
  const body = new URLSearchParams({ logout_token: await cis2.logoutToken({ sub: NURSE }) });
  const ended = await untilAnswered(() =>
    fetch(`${baseUrl}/sign-in/cis2/logged-out`, { method: 'POST', body }),
  );
  expect(ended.status).toBe(200);
}

describe.skipIf(!hasBrowser)('other tabs lose an answer and a half-typed number', () => {
  test.for<[string, (other: Page) => Promise<void>]>([
    [
      'somebody else comes back from the provider and is refused',
      async (other) => {
        cis2.next(OTHER, { name: 'Other Person', identityAssurance: '1' });
        await other.goto(`${baseUrl}/sign-in/cis2`);
        await other.getByRole('heading', { level: 1, name: SIGN_IN_REFUSED.assurance }).waitFor();
      },
    ],
    [
      'somebody else comes back from the provider in a role that cannot look up',
      async (other) => {
        const roles = [{ id: '555000000091', activities: ['B9999'] }];
        cis2.next(OTHER, { name: 'Other Person', roles });
        await other.goto(`${baseUrl}/sign-in/cis2`);
        await other.getByRole('heading', { level: 1, name: SIGN_IN_REFUSED.activity }).waitFor();
      },
    ],
    [
      'somebody else is asked for their role',
      async (other) => {
        const roles = [{ id: '555000000091' }, { id: '555000000092' }];
        cis2.next(OTHER, { name: 'Other Person', selectedRole: undefined, roles });
        await other.goto(`${baseUrl}/sign-in/cis2`);
        await other.getByRole('heading', { level: 1, name: SIGN_IN.chooseRole }).waitFor();
      },
    ],
    [
      'the provider ends the session, and a page is opened',
      async (other) => {
        await endSession();
        await other.goto(`${baseUrl}/look-up`);
      },
    ],
    [
      'the provider ends the session, and a form is sent',
      async (other) => {
        await goTo(other, `${baseUrl}/look-up`);
        await other.getByLabel(LOOK_UP.number).fill(PLAN);
        await endSession();
        await other.getByRole('button', { name: 'Look up', exact: true }).click();
      },
    ],
  ])('once %s', async ([, act]) => {
    cis2.next(NURSE, { name: 'Nora Nurse' });
    const { page, complaints, close } = await openPage(browser);
    await until(async () => {
      await page.goto(`${baseUrl}/sign-in/cis2`);
      return page.url() === `${baseUrl}/look-up`;
    }, 'the nurse to be signed in');
    await lookUp(page, baseUrl, { nhsNumber: PLAN });
    await page.getByText('Checked at').waitFor();
    const form = await page.context().newPage();
    await goTo(form, `${baseUrl}/look-up`);
    await form.getByLabel(LOOK_UP.number).fill(PLAN);
    await act(await page.context().newPage());
    await page.waitForURL('**/look-up/hidden');
    await form.locator('#number').waitFor({ state: 'detached' });
    await form.getByRole('link', { name: SIGN_IN.title, exact: true }).waitFor();
    expect(complaints).toEqual([]);
    await close();
  });
});
