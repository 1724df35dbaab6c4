import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { SAMPLE_PEOPLE } from '#schemas/sample.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { OFFICER_HOLDS } from '#schemas/wording/officer.ts';
import { FRAME, SIGN_IN } from '#schemas/wording/pages.ts';
import { demoInBrowser, goTo, hasBrowser, openPage } from '../../support/browser.ts';
import { HEADINGS, leave, lookUp, signInAs } from '../../support/pages.ts';
import { until } from '../../support/until.ts';

/** Where the focus is, for somebody with a keyboard or a screen reader. */

const demo = demoInBrowser();

/** Where the focus is in the order of the page. */
const focusIn = (page: Page): Promise<unknown> =>
  page.evaluate(`(() => {
    const { activeElement: at } = document;
    if (at.matches('a[href="#main"]')) return 'skip link';
    const isAfter = document.querySelector('h1').compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING;
    return isAfter && at.closest('main') !== null ? 'content' : at.outerHTML;
  })()`);

/** Waits until the element with the focus has this text, and gives its role. */
async function focusOn(page: Page, text: string): Promise<unknown> {
  const isThere = async () => (await page.evaluate('document.activeElement?.innerText')) === text;
  await until(isThere, `the focus to be on ${text}`);
  return page.evaluate('document.activeElement.getAttribute("role")');
}

describe.skipIf(!hasBrowser)('in a browser', () => {
  test.for([true, false])(
    'the first stop of the keyboard skips who is signed in and the menu, with scripts: %s',
    async (javaScriptEnabled) => {
      const { page, close } = await openPage(demo.browser, { javaScriptEnabled });
      const expectSkips = async (): Promise<void> => {
        await page.evaluate('document.body.tabIndex = -1; document.body.focus()');
        await page.keyboard.press('Tab');
        expect([page.url(), await focusIn(page)]).toEqual([page.url(), 'skip link']);
        await page.keyboard.press('Enter');
        await page.waitForURL(/#main$/);
        await page.keyboard.press('Tab');
        expect([page.url(), await focusIn(page)]).toEqual([page.url(), 'content']);
      };
      await signInAs(page, demo.baseUrl);
      await expectSkips();
      const account = page.getByRole('navigation', { name: FRAME.account });
      expect(await account.innerText()).toContain('Amina Demo');
      await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.onPlan);
      await expectSkips();
      for (const [name, path] of [
        ['Carys Demo', '/council/looks'],
        ['Dev Demo', '/officer'],
        ['Farid Demo', '/operator/users'],
      ] as const) {
        await signInAs(page, demo.baseUrl, name);
        await goTo(page, `${demo.baseUrl}${path}`);
        await expectSkips();
      }
      await close();
    },
  );

  test('the focus is on the outcome also in a browser that heeds autofocus at fields only', async () => {
    const { page, close } = await openPage(demo.browser);
    await signInAs(page, demo.baseUrl);
    await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.onPlan);
    await focusOn(page, HEADINGS.onPlan);
    await page.evaluate('document.activeElement.blur()');
    // The script of the page, as if it began now.
    await page.evaluate('import(`${document.querySelector("script").src}?again`)');
    await focusOn(page, HEADINGS.onPlan);
    await close();
  });

  test.for([
    ['Amina Demo', '/look-up', `${SIGN_IN.signedOut}. ${SIGN_IN.signedOutThen}`],
    ['Carys Demo', '/council/numbers', `${DESK.over}. ${DESK.overHidden}`],
  ] as const)(
    'once the session of %s is over, the focus is on the sentence that says so, and it is announced',
    async ([name, path, says]) => {
      const { page, complaints, close } = await openPage(demo.browser);
      await signInAs(page, demo.baseUrl, name);
      await goTo(page, `${demo.baseUrl}${path}`);
      await page.locator('input:visible').first().focus();
      const other = await page.context().newPage();
      await goTo(other, `${demo.baseUrl}${path}`);
      await other.getByRole('button', { name: FRAME.signOut }).click();
      expect(await focusOn(page, says)).toBe('alert');
      await page.keyboard.press('Tab');
      expect(await focusOn(page, SIGN_IN.title)).toBe(null);
      expect(complaints).toEqual([]);
      await close();
    },
  );

  test.for([true, false])(
    'the focus is on what was just done, and it is announced, with scripts: %s',
    async (javaScriptEnabled) => {
      const { page, complaints, close } = await openPage(demo.browser, { javaScriptEnabled });
      await signInAs(page, demo.baseUrl, 'Esi Demo');
      await goTo(page, `${demo.baseUrl}/officer/holds`);
      await page.getByLabel(DESK.reason).fill('an inquiry');
      await leave(page, () => page.getByRole('button', { name: OFFICER_HOLDS.begin }).click());
      expect(await focusOn(page, `${DESK.important}\n\n${OFFICER_HOLDS.begun}`)).toBe('alert');
      expect(complaints).toEqual([]);
      await close();
    },
  );
});
