import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { SAMPLE_PEOPLE } from '#schemas/sample.ts';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import { NUMBERS } from '#schemas/wording/council-numbers.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { OFFICER } from '#schemas/wording/officer.ts';
import { OPERATOR } from '#schemas/wording/operator.ts';
import { FRAME, LOOK_UP, SIGN_IN } from '#schemas/wording/pages.ts';
import { demoInBrowser, expectFits, goTo, hasBrowser, openPage } from '../../support/browser.ts';
import { lookUp, signInAs } from '../../support/pages.ts';

/** What happens to a page of a council, an officer or an operator once its reader's session ends. */

const demo = demoInBrowser();

const OVER = `${DESK.over}. ${DESK.overHidden}`;
/** Text that comes from a style is not in the text of the page. */
const said = (page: Page): Promise<string> =>
  page.evaluate<string>(`(() => {
    const style = getComputedStyle(document.querySelector('.cpf-hides__then'), '::before');
    return style.visibility === 'visible' ? JSON.parse(style.content) : '';
  })()`);

/** Expects that between the head and the foot of the page only the link to sign in is left, and why. */
async function expectNothingLeft(page: Page): Promise<void> {
  await page.getByRole('link', { name: DESK.signIn, exact: true }).waitFor();
  const left = (await page.locator('main').innerText()).trim();
  expect(`${await said(page)}\n\n${left}`.trim()).toBe(`${OVER}\n\n${DESK.signIn}`);
  expect(await page.locator('header').innerText()).not.toContain(LOOK_UP.youAre);
  expect(await page.locator('main input:visible').count()).toBe(0);
}

async function searchAudit(page: Page): Promise<void> {
  await page.getByLabel(OFFICER.fields.number).fill(SAMPLE_PEOPLE.onPlan.nhsNumber);
  await page.getByLabel(DESK.reason).fill('a complaint');
  await page.getByRole('button', { name: OFFICER.submit }).click();
  await page.getByRole('heading', { level: 1, name: OFFICER.results }).waitFor();
}

describe.skipIf(!hasBrowser)('in a browser', () => {
  test.for<[string, string, string, ((page: Page) => Promise<void>)?]>([
    ['Carys Demo', '/council/looks', LOOKS.title],
    ['Dev Demo', '/officer', OFFICER.results, searchAudit],
    ['Farid Demo', '/operator', OPERATOR.home],
  ])(
    'once the session of %s is over, nothing of %s is left on the screen, without a script',
    async ([name, path, title, go]) => {
      const { page, complaints, close } = await openPage(demo.browser, {
        javaScriptEnabled: false,
        reducedMotion: 'reduce',
        viewport: { width: 320, height: 640 },
      });
      await signInAs(page, demo.baseUrl);
      await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.onPlan);
      await signInAs(page, demo.baseUrl, name);
      await goTo(page, `${demo.baseUrl}${path}`);
      await go?.(page);
      expect(await page.locator('body').innerText()).toContain(title);
      expect(await said(page)).toBe('');
      expect(await page.getByRole('link', { name: DESK.signIn, exact: true }).count()).toBe(0);
      expect(
        await page.evaluate(
          'getComputedStyle(document.querySelector(".cpf-hides__content")).animationDelay',
        ),
      ).toBe('600s');
      // Only animations run ten thousand times as fast.
      const drawing = await page.context().newCDPSession(page);
      await drawing.send('Animation.enable');
      await drawing.send('Animation.setPlaybackRate', { playbackRate: 10_000 });
      await expectNothingLeft(page);
      await expectFits(page);
      expect(complaints).toEqual([]);
      await close();
    },
  );

  test('a half-filled form stays while its session goes on in another tab, and disappears with the session', async () => {
    const { page, complaints, close } = await openPage(demo.browser);
    await signInAs(page, demo.baseUrl, 'Carys Demo');
    await page.clock.install();
    await goTo(page, `${demo.baseUrl}/council/numbers`);
    const reason = page.getByLabel(DESK.reason);
    await reason.fill('the duty desk has moved');
    const other = await page.context().newPage();
    await page.clock.runFor(300_000);
    const heard = page.evaluate(
      'new Promise((heard) => (new BroadcastChannel("cp-flags-session").onmessage = heard)).then(() => true)',
    );
    await goTo(other, `${demo.baseUrl}/council`);
    expect(await heard).toBe(true);
    await page.clock.runFor(310_000);
    expect(await page.getByRole('heading', { level: 1, name: NUMBERS.title }).count()).toBe(1);
    expect(await reason.inputValue()).toBe('the duty desk has moved');
    await page.clock.runFor(300_000);
    await expectNothingLeft(page);
    // The form has been removed, not only hidden.
    expect(await page.content()).not.toContain('/council/numbers');
    expect(complaints).toEqual([]);
    await close();
  });

  test.for<[string, (other: Page) => Promise<void>]>([
    [
      'signs out',
      async (other) => {
        await goTo(other, `${demo.baseUrl}/council`);
        await other.getByRole('button', { name: FRAME.signOut }).click();
        await other.getByRole('heading', { level: 1, name: SIGN_IN.signedOut }).waitFor();
      },
    ],
    ['is replaced by somebody else', (other) => signInAs(other, demo.baseUrl, 'Farid Demo')],
  ])('a page disappears at once if its reader %s in another tab', async ([, act]) => {
    const { page, complaints, close } = await openPage(demo.browser);
    await signInAs(page, demo.baseUrl, 'Carys Demo');
    await goTo(page, `${demo.baseUrl}/council/looks`);
    await act(await page.context().newPage());
    await expectNothingLeft(page);
    expect(complaints).toEqual([]);
    await close();
  });
});
