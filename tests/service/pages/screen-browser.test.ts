import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ATTENDANCE, FRAME, LIST, LOOK_UP, RESULT, SIGN_IN } from '#schemas/wording/pages.ts';
import { goTo, hasBrowser, openPage, startBrowser } from '../../support/browser.ts';
import { leave, lookUp, signInAs } from '../../support/pages.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService } from '../../support/service.ts';

/** What stays on a clinician's screen, and for how long. */

const PLAN = testNumber(7_401);
let service: TestService;
let browser: Browser;
beforeAll(async () => {
  service = await startTestService({
    environment: { PASTED_LISTS_A_DAY: '4' },
    authorities: [
      { code: 'ZZ101', name: '"Acorn" Council', rows: [{ nhsNumber: PLAN }] },
      { code: 'ZZ102', name: 'Westby Council' },
      { code: 'ZZ103', name: '\\Back Council' },
      { code: 'ZZ104', name: 'St. Ester-on-Brook & Marsh' },
    ],
  });
  if (hasBrowser) browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  await service?.stopAndRemove();
});

test('a page from another version of this service gets its own style and script, which are not cached', async () => {
  const page = await (await fetch(`${service.baseUrl}/councils`)).text();
  const names = [...page.matchAll(/"(\/assets\/[a-z-]+\.)[0-9a-f]{16}(\.[a-z]+)"/g)];
  expect(names.length).toBeGreaterThan(2);
  for (const [, stem = '', ending = ''] of names) {
    const other = await fetch(`${service.baseUrl}${stem}${'0'.repeat(16)}${ending}`);
    expect([other.status, other.headers.get('cache-control')]).toEqual([200, 'no-store']);
  }
  expect((await fetch(`${service.baseUrl}/assets/other.${'0'.repeat(16)}.css`)).status).toBe(404);
});

test('a page without TLS says nothing about TLS', async () => {
  const { headers } = await fetch(`${service.baseUrl}/councils`);
  expect(headers.get('strict-transport-security')).toBeNull();
});

describe.skipIf(!hasBrowser)('in a browser', () => {
  test('an answer is hidden at once if the machine slept for longer than the answer may be shown', async () => {
    const { page, close } = await openPage(browser);
    await signInAs(page, service.baseUrl);
    await page.clock.install();
    await lookUp(page, service.baseUrl, { nhsNumber: PLAN });
    await page.getByText('Checked at').waitFor();
    // After a sleep the time of day has moved on, and timers have not.
    await page.clock.setSystemTime(Date.now() + 3_600_000);
    await page.evaluate('window.dispatchEvent(new Event("focus"))');
    await page.waitForURL('**/look-up/hidden');
    await close();
  });

  test('an answer is hidden within a second of a sleep that no event announces, even if tabs cannot reach each other', async () => {
    const { page, complaints, close } = await openPage(browser);
    await page.addInitScript('delete window.BroadcastChannel');
    await signInAs(page, service.baseUrl);
    await page.clock.install();
    await lookUp(page, service.baseUrl, { nhsNumber: PLAN });
    await page.getByText('Checked at').waitFor();
    await page.clock.setSystemTime(Date.now() + 3_600_000);
    await page.clock.runFor(1_000);
    await page.waitForURL('**/look-up/hidden');
    expect(complaints).toEqual([]);
    await close();
  });

  test('an answer is gone even if the next page is slow to load', async () => {
    const { page, close } = await openPage(browser);
    await signInAs(page, service.baseUrl);
    await lookUp(page, service.baseUrl, { nhsNumber: PLAN });
    await page.getByText('Checked at').waitFor();
    await page.route('**/look-up/hidden', () => undefined);
    // Playwright can read nothing from a page that is leaving for another.
    const gone = Promise.withResolvers<void>();
    await page.exposeFunction('gone', gone.resolve);
    await page.evaluate(`new MutationObserver(() => {
      if (!document.body.innerText.includes('Checked at')) gone();
    }).observe(document.body, { subtree: true, childList: true })`);
    const other = await page.context().newPage();
    await goTo(other, `${service.baseUrl}/look-up`);
    await other.getByRole('button', { name: FRAME.signOut }).click();
    await gone.promise;
    await close();
  });

  test('an answer and a half-typed number disappear at once if their reader signs out in another tab', async () => {
    const { page, complaints, close } = await openPage(browser);
    await signInAs(page, service.baseUrl);
    await lookUp(page, service.baseUrl, { nhsNumber: PLAN });
    await page.getByText('Checked at').waitFor();
    const form = await page.context().newPage();
    await goTo(form, `${service.baseUrl}/look-up`);
    await form.getByLabel(LOOK_UP.number).fill(PLAN);
    const other = await page.context().newPage();
    await goTo(other, `${service.baseUrl}/look-up`);
    await other.getByRole('button', { name: FRAME.signOut }).click();
    await page.waitForURL('**/look-up/hidden');
    await form.locator('#number').waitFor({ state: 'detached' });
    await form.getByRole('link', { name: SIGN_IN.title, exact: true }).waitFor();
    expect(complaints).toEqual([]);
    await close();
  });

  test.for([
    ['Amina Demo', '/look-up', LOOK_UP.submit, RESULT.another],
    ['Bryn Demo', '/list', LIST.submit, LIST.title],
  ] as const)(
    'a form of %s that is wrong has one button to send it; the way to an empty one appears once it is hidden',
    async ([person, path, submit, another]) => {
      const { page, close } = await openPage(browser, { javaScriptEnabled: false });
      await signInAs(page, service.baseUrl, person);
      await goTo(page, `${service.baseUrl}${path}`);
      await leave(page, () => page.getByRole('button', { name: submit, exact: true }).click());
      const buttons = page.locator('main .nhsuk-button:visible');
      expect(await buttons.allInnerTexts()).toEqual([submit]);
      // Only animations run two thousand times as fast.
      const drawing = await page.context().newCDPSession(page);
      await drawing.send('Animation.enable');
      await drawing.send('Animation.setPlaybackRate', { playbackRate: 2_000 });
      await page.getByRole('link', { name: another, exact: true }).waitFor();
      await page.getByRole('button', { name: submit, exact: true }).waitFor({ state: 'hidden' });
      await close();
    },
  );

  test('an answer that a browser keeps for going back, although it must not be stored, is not shown again', async () => {
    const { page, complaints, close } = await openPage(browser);
    await signInAs(page, service.baseUrl);
    await lookUp(page, service.baseUrl, { nhsNumber: PLAN });
    await page.getByText('Checked at').waitFor();
    const event = (type: string): Promise<unknown> =>
      page.evaluate(
        `window.dispatchEvent(new PageTransitionEvent('${type}', { persisted: true }))`,
      );
    await event('pagehide');
    expect(await page.locator('body').innerText()).not.toContain('Checked at');
    await event('pageshow');
    await page.waitForURL('**/look-up/hidden');
    expect(complaints).toEqual([]);
    await close();
  });

  test('a form that a browser keeps for going back is hidden once its reader has signed out', async () => {
    const { page, close } = await openPage(browser);
    // Such a page hears nothing from other pages.
    await page.addInitScript('delete globalThis.BroadcastChannel');
    await signInAs(page, service.baseUrl);
    const again = (): Promise<unknown> =>
      page.evaluate(
        `window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))`,
      );
    await again();
    expect(await page.locator('body').innerText()).toContain('Amina Demo');
    const other = await page.context().newPage();
    await goTo(other, `${service.baseUrl}/look-up`);
    await other.getByRole('button', { name: FRAME.signOut }).click();
    await other.getByRole('heading', { name: SIGN_IN.signedOut }).waitFor();
    await again();
    expect(await page.locator('body').innerText()).not.toContain('Amina Demo');
    await close();
  });

  test('a form with errors leaves the screen just as an answer does', async () => {
    const { page, close } = await openPage(browser, { javaScriptEnabled: false });
    await signInAs(page, service.baseUrl);
    const [response] = await Promise.all([
      page.waitForResponse((each) => each.request().method() === 'POST'),
      lookUp(page, service.baseUrl, { nhsNumber: PLAN, dateOfBirth: '2019-02-30' }),
    ]);
    expect(response.headers()['refresh']).toBe('120; url=/look-up/hidden');
    await close();
  });

  test('no browser sends what is shown or typed to be translated, spell-checked or completed', async () => {
    const { page, close } = await openPage(browser);
    await signInAs(page, service.baseUrl);
    await lookUp(page, service.baseUrl, { nhsNumber: PLAN });
    await page.getByText(ATTENDANCE.summary).click();
    const kept = `[...document.querySelectorAll('body, main h1, input:not([type="hidden"])')]
      .filter((each) => !each.spellcheck && !each.translate && each.writingSuggestions === 'false').length`;
    expect(await page.evaluate(kept)).toBe(
      await page.locator('body, main h1, input:not([type="hidden"])').count(),
    );
    await close();
  });

  test('a council is found however its points, hyphens and accents are typed', async () => {
    const { page, complaints, close } = await openPage(browser);
    await goTo(page, `${service.baseUrl}/councils`);
    for (const typed of ['st ester', 'St. Ester', 'ester on', 'Éster-on-', 'brook and marsh']) {
      await page.locator('[data-search] input').fill(typed);
      await page.getByText('1 council', { exact: true }).waitFor();
      expect([typed, await page.locator('[data-council]:visible').count()]).toEqual([typed, 1]);
    }
    expect(complaints).toEqual([]);
    await close();
  });

  test('councils are found whichever character their name begins with', async () => {
    const { page, complaints, close } = await openPage(browser);
    await goTo(page, `${service.baseUrl}/councils`);
    await page.locator('[data-search] input').fill('acorn');
    await page.getByText('1 council', { exact: true }).waitFor();
    expect(await page.locator('[data-council]:visible').count()).toBe(1);
    expect(complaints).toEqual([]);
    await close();
  });
});
