import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { SAMPLE_PEOPLE } from '#schemas/sample.ts';
import { NHS_NUMBER } from '#schemas/wording/nhs-number.ts';
import {
  COUNCILS,
  DANGER,
  FRAME,
  HIDDEN,
  NOT_CHECKED,
  RESULT,
  SIGN_IN,
} from '#schemas/wording/pages.ts';
import {
  demoInBrowser,
  expectAccessible,
  expectFits,
  goTo,
  hasBrowser,
  openPage,
  triesAll,
} from '../../support/browser.ts';
import { HEADINGS, leave, lookUp, signInAs, TIME_ON } from '../../support/pages.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService } from '../../support/service.ts';

/**
 * The pages in a real Chromium, using the demo that `npm start` shows. `npm run test:pages` tries everything, and
 * `npm test` only the journey and the states of the pages.
 */

const demo = demoInBrowser();

const heading = (page: Page): Promise<string> => page.locator('h1').innerText();
/** Waits until the page has loaded and put the focus on this element. */
const focusOn = (page: Page, tag: string): Promise<unknown> =>
  page.waitForFunction(`document.activeElement?.tagName === "${tag}"`);

/** Waits until the form has loaded, with the focus on the number field. */
const formFocused = (page: Page): Promise<unknown> =>
  page.waitForFunction('document.activeElement?.id === "number"');

/** Words broken across lines. A day and its month beside a number count as one word. */
const brokenWords = (page: Page): Promise<unknown> =>
  page.evaluate(`[...document.querySelectorAll('h1, dd, th, td span, footer p')].flatMap((of) => {
    const text = document.createTreeWalker(of, NodeFilter.SHOW_TEXT);
    const words = of.tagName === 'DD' ? /[0-9]+\\s[A-Z][a-z]+|[^\\s]+/g : /[^\\s]+/g;
    const found = [];
    while (text.nextNode()) {
      for (const { 0: word, index } of text.currentNode.data.matchAll(words)) {
        const range = document.createRange();
        range.setStart(text.currentNode, index);
        range.setEnd(text.currentNode, index + word.length);
        if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) found.push(word);
      }
    }
    return found;
  })`);

/** What a screen reader gets from a page, without the title of the tab. */
async function readOut(page: Page): Promise<string> {
  const reader = await page.context().newCDPSession(page);
  const { nodes } = await reader.send('Accessibility.getFullAXTree');
  await reader.detach();
  return nodes
    .filter(({ ignored, role }) => !ignored && role?.value !== 'RootWebArea')
    .map(({ name }) => String(name?.value))
    .join('\n');
}

const telephone = (page: Page) => page.locator('main a[href^="tel:"]').first();
const ringing = (page: Page): Promise<void> => telephone(page).click();
const ringingByKeyboard = (page: Page): Promise<void> => telephone(page).press('Enter');
async function stopping(page: Page): Promise<void> {
  const browsing = await page.context().newCDPSession(page);
  await browsing.send('Page.stopLoading');
  await browsing.detach();
}

/** Presses Tab until this text has the focus, as somebody without a mouse does. */
async function tabTo(page: Page, text: string): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press('Tab');
    const name = await page.evaluate(
      '(document.activeElement?.innerText || document.activeElement?.labels?.[0]?.innerText || "")',
    );
    if (String(name).trim().startsWith(text)) return;
  }
  throw new Error(`nothing by the name of ${text} gets the focus`);
}

describe.skipIf(!hasBrowser)('in a browser', () => {
  test.each([320, 1000])(
    'no word, and no date beside a number, is broken if it could fit on one line, at %i pixels',
    async (width) => {
      const { page, close } = await openPage(demo.browser, { viewport: { width, height: 900 } });
      await signInAs(page, demo.baseUrl);
      await lookUp(page, demo.baseUrl, { nhsNumber: '9991000070' });
      await page.locator('details').first().locator('summary').click();
      expect(await brokenWords(page)).toEqual([]);
      await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.limited);
      expect(await brokenWords(page)).toEqual([]);
      await close();
    },
  );

  test('for an unknown address, a browser gets a page and a program gets a problem', async () => {
    const { page, close } = await openPage(demo.browser);
    const shown = await page.goto(`${demo.baseUrl}/look-upp`);
    expect(shown?.status()).toBe(404);
    expect(await heading(page)).toBe(FRAME.notFound);
    const told = await fetch(`${demo.baseUrl}/look-upp`);
    expect(told.headers.get('content-type')).toContain('application/problem+json');
    await close();
  });

  test('a browser with too many cookies gets a page that says what to do, and a program a problem', async () => {
    const { page, close } = await openPage(demo.browser);
    const cookies = ['a', 'b', 'c', 'd', 'e'].map((name) => ({
      name,
      value: 'x'.repeat(4_000),
      url: demo.baseUrl,
    }));
    await page.context().addCookies(cookies);
    const shown = await page.goto(`${demo.baseUrl}/look-up`);
    expect(shown?.status()).toBe(431);
    expect(await heading(page)).toBe(NOT_CHECKED.couldNotCheck);
    expect(await page.locator('main').innerText()).toContain(NOT_CHECKED.unreadable);
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const told = await fetch(`${demo.baseUrl}/look-up`, { headers: { cookie } });
    expect(told.status).toBe(431);
    expect(told.headers.get('content-type')).toContain('application/problem+json');
    await close();
  });

  test('a nurse can work by keyboard alone, from the printed address to the number to ring', async () => {
    const { page, complaints, close } = await openPage(demo.browser);
    await goTo(page, demo.baseUrl);
    expect(await heading(page)).toBe(SIGN_IN.title);
    await tabTo(page, 'Amina Demo');
    await page.keyboard.press('Space');
    await page.keyboard.press('Enter');
    await formFocused(page);
    await page.keyboard.type('999 100 0011');
    await page.keyboard.press('Tab');
    await page.keyboard.type('5');
    await page.keyboard.press('Tab');
    await page.keyboard.type('3');
    await page.keyboard.press('Tab');
    await page.keyboard.type('2019');
    await page.keyboard.press('Enter');
    await page.getByText('Checked at').waitFor();
    expect(await heading(page)).toBe(HEADINGS.onPlan);
    await focusOn(page, 'H1');
    await tabTo(page, '020');
    await tabTo(page, RESULT.details);
    await page.keyboard.press('Enter');
    await page.getByText(`${RESULT.auditId}:`).waitFor();
    await tabTo(page, RESULT.another);
    await page.keyboard.press('Enter');
    await formFocused(page);
    // After a wrong number the focus goes to the error, and from there to the field.
    await page.keyboard.type('9991000012');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    await focusOn(page, 'DIV');
    await tabTo(page, NHS_NUMBER.digit);
    await page.keyboard.press('Enter');
    await formFocused(page);
    expect(await page.getByLabel('NHS number').inputValue()).toBe('9991000012');
    expect(complaints).toEqual([]);
    await close();
  });

  test.each([
    ['ringing a number', SAMPLE_PEOPLE.onPlan, ringing],
    ['ringing a number by keyboard', SAMPLE_PEOPLE.lookedAfter, ringingByKeyboard],
    ['a stopped load', SAMPLE_PEOPLE.onPlan, stopping],
    ['a stopped load of a check that was not made', SAMPLE_PEOPLE.unchecked, stopping],
  ])(
    'after two minutes no part of an answer is shown or read out, without a script, despite %s',
    async (_, person, act) => {
      const { page, complaints, close } = await openPage(demo.browser, {
        javaScriptEnabled: false,
        reducedMotion: 'reduce',
        viewport: { width: 320, height: 640 },
      });
      await signInAs(page, demo.baseUrl);
      await lookUp(page, demo.baseUrl, person);
      const answer = await page.locator('h1').innerText();
      await act(page);
      const at = page.url();
      expect(await readOut(page)).toContain(answer);
      expect(await readOut(page)).not.toContain(HIDDEN.heading);
      expect(
        await page.evaluate(
          'getComputedStyle(document.querySelector("h1").closest("div[class^=cpf-hides]")).animationDelay',
        ),
      ).toBe('120s');

      // Only animations run two thousand times as fast.
      const drawing = await page.context().newCDPSession(page);
      await drawing.send('Animation.enable');
      await drawing.send('Animation.setPlaybackRate', { playbackRate: 2_000 });
      await page.locator('h1').waitFor({ state: 'hidden' });
      expect(page.url()).toBe(at);
      const number = person.nhsNumber.replace(/^(...)(...)(....)$/, '$1 $2 $3');
      const read = (await readOut(page)).replaceAll('\u00a0', ' ');
      expect(read).toContain(`${HIDDEN.heading}. ${HIDDEN.noCheck}`);
      expect(read).toContain(RESULT.another);
      const seen = (await page.locator('body').innerText()).replaceAll('\u00a0', ' ');
      for (const gone of [answer, number, 'Northmoor', 'Checked at', RESULT.hide]) {
        expect(read).not.toContain(gone);
        expect(seen).not.toContain(gone);
      }
      expect(await page.locator('main :focus').count()).toBe(0);
      await expectFits(page);
      expect(complaints).toEqual([]);
      await close();
    },
  );

  test('after two minutes a script leaves an answer page whose number was rung', async () => {
    const { page, close } = await openPage(demo.browser);
    await signInAs(page, demo.baseUrl);
    const opened = Date.now();
    await page.clock.install({ time: opened });
    // An installed clock goes on with real time, and on a slow machine a lot of that passes.
    await page.clock.pauseAt(opened + 60 * 60_000);
    await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.onPlan);
    await ringing(page);
    await page.clock.runFor(119_000);
    expect(await heading(page)).toBe(HEADINGS.onPlan);
    await page.clock.runFor(1_000);
    await page.waitForURL('**/look-up/hidden');
    expect(await heading(page)).toBe(HIDDEN.heading);
    await close();
  });

  test('every state of a page is accessible and fits a small screen', async () => {
    const { page, complaints, close } = await openPage(demo.browser, {
      viewport: { width: 320, height: 640 },
    });
    await goTo(page, `${demo.baseUrl}/sign-in`);
    await expectAccessible(page);
    await signInAs(page, demo.baseUrl, 'Gwen Demo');
    await expectAccessible(page);
    await signInAs(page, demo.baseUrl);
    await expectAccessible(page);
    const headings: string[] = [];
    for (const { nhsNumber, dateOfBirth } of Object.values(SAMPLE_PEOPLE)) {
      await lookUp(page, demo.baseUrl, { nhsNumber, dateOfBirth });
      headings.push(await heading(page));
      await page.evaluate(
        'for (const each of document.querySelectorAll("details")) each.open = true',
      );
      await expectAccessible(page);
    }
    expect(new Set(headings).size).toBeGreaterThanOrEqual(9);
    await lookUp(page, demo.baseUrl, { nhsNumber: '123', dateOfBirth: '2019-02-30' });
    await expectAccessible(page);
    await lookUp(page, demo.baseUrl, { ...SAMPLE_PEOPLE.onPlan, dateOfBirth: '2018-01-01' });
    await expectAccessible(page);
    for (const path of ['/look-up/hidden', '/councils', '/accessibility']) {
      await goTo(page, `${demo.baseUrl}${path}`);
      await expectAccessible(page);
    }
    expect(complaints).toEqual([]);
    await close();
  }, 180_000);
});

describe.skipIf(!hasBrowser || !triesAll)('in a browser, tried at length', () => {
  const { nhsNumber } = SAMPLE_PEOPLE.onPlan;

  test('everything works without JavaScript', async () => {
    const { page, close } = await openPage(demo.browser, { javaScriptEnabled: false });
    await signInAs(page, demo.baseUrl);
    await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.onPlan);
    expect(await heading(page)).toBe(HEADINGS.onPlan);
    await page.getByText(RESULT.details).click();
    await page.getByText(`${RESULT.auditId}:`).waitFor();
    await leave(page, () => page.getByRole('link', { name: RESULT.hide }).click());
    expect(await heading(page)).toBe(HIDDEN.heading);
    await goTo(page, `${demo.baseUrl}/councils`);
    expect(await page.locator('[data-council]:visible').count()).toBe(3);
    await page.getByLabel('Council’s name').fill('wesbrook');
    await leave(page, () => page.getByRole('button', { name: COUNCILS.find }).click());
    expect(await page.locator('[data-council]:visible').allInnerTexts()).toEqual([
      expect.stringContaining('Westbrook City Council'),
    ]);
    await close();
  });

  test('going back to a hidden answer shows nothing, and reloading it does not make a second look', async () => {
    const { page, close } = await openPage(demo.browser);
    await signInAs(page, demo.baseUrl);
    await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.onPlan);
    await page.getByRole('link', { name: RESULT.hide }).click();
    await page.getByRole('heading', { level: 1, name: HIDDEN.heading }).waitFor();
    await page.goBack().catch(() => undefined);
    expect(await page.locator('body').innerText()).not.toContain(HEADINGS.onPlan);
    await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.lookedAfter);
    await page.getByRole('heading', { level: 1, name: HEADINGS.inCare }).waitFor();
    await page.reload();
    expect([HEADINGS.inCare, NOT_CHECKED.used]).toContain(await heading(page));
    // Nothing is shown once the time allowed for a double click is over.
    await expect.poll(async () => (await page.reload(), heading(page))).toBe(NOT_CHECKED.used);
    await close();
  });

  test('going back after signing out shows neither an answer nor a typed number', async () => {
    const { page, close } = await openPage(demo.browser);
    await signInAs(page, demo.baseUrl);
    await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.onPlan);
    await goTo(page, `${demo.baseUrl}/look-up`);
    await page.getByLabel('NHS number').fill(SAMPLE_PEOPLE.onPlan.nhsNumber);
    await page.getByRole('button', { name: FRAME.signOut }).click();
    await page.getByRole('heading', { level: 1, name: SIGN_IN.signedOut }).waitFor();
    for (let back = 0; back < 3; back++) {
      await page.goBack({ timeout: 2_000 }).catch(() => undefined);
      expect(await page.locator('body').innerText()).not.toContain(HEADINGS.onPlan);
      const typed = await page
        .locator('#number')
        .evaluateAll((all) => all.map((field) => (field as { value?: string }).value));
      expect(typed.filter((value) => value !== '')).toEqual([]);
    }
    await close();
  });

  test('a double click shows the answer, and makes one look', async () => {
    for (const javaScriptEnabled of [true, false]) {
      const { page, close } = await openPage(demo.browser, { javaScriptEnabled });
      await signInAs(page, demo.baseUrl);
      await goTo(page, `${demo.baseUrl}/look-up`);
      await page.getByLabel('NHS number').fill(nhsNumber);
      await page.getByRole('button', { name: 'Look up' }).dblclick();
      await page.getByText('Checked at').waitFor();
      expect(await heading(page)).toBe(HEADINGS.onPlan);
      await close();
    }
  });

  test('two tabs of one person each show their own child, and signing out in one signs out both', async () => {
    // A script would empty the other tab at once and leave nothing to send.
    const { page, close } = await openPage(demo.browser, { javaScriptEnabled: false });
    await signInAs(page, demo.baseUrl);
    const other = await page.context().newPage();
    await goTo(page, `${demo.baseUrl}/look-up`);
    await lookUp(other, demo.baseUrl, SAMPLE_PEOPLE.lookedAfter);
    await page.getByLabel('NHS number').fill(nhsNumber);
    await leave(page, () => page.getByRole('button', { name: 'Look up' }).click());
    expect([await heading(page), await heading(other)]).toEqual([HEADINGS.onPlan, HEADINGS.inCare]);
    await goTo(other, `${demo.baseUrl}/look-up`);
    await other.getByLabel('NHS number').fill(nhsNumber);
    await leave(page, () => page.getByRole('button', { name: 'Sign out' }).click());
    await leave(other, () => other.getByRole('button', { name: 'Look up' }).click());
    expect(await heading(other)).toBe(NOT_CHECKED.over);
    expect(await other.locator('main').innerText()).not.toContain('100');
    await close();
  });

  test('no other site’s page can frame ours', async () => {
    const framing = createServer((_, response) =>
      response
        .setHeader('content-type', 'text/html')
        .end(
          `<iframe src="${demo.baseUrl}/look-up"></iframe><iframe src="${demo.baseUrl}/councils"></iframe>`,
        ),
    );
    await new Promise<void>((resolve) => void framing.listen(0, '127.0.0.1', () => resolve()));
    const { page, close } = await openPage(demo.browser);
    await signInAs(page, demo.baseUrl);
    await page.goto(`http://127.0.0.1:${(framing.address() as AddressInfo).port}/`);
    for (const frame of page.frames().slice(1)) {
      expect(await frame.locator('main').count()).toBe(0);
    }
    await close();
    await new Promise((resolve) => void framing.close(resolve));
  });

  test('an answer is never printed, and a list of phone numbers is', async () => {
    const { page, close } = await openPage(demo.browser);
    await signInAs(page, demo.baseUrl);
    await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.onPlan);
    await page.emulateMedia({ media: 'print' });
    expect((await page.locator('body').innerText()).trim()).toBe('Do not print.');
    await goTo(page, `${demo.baseUrl}/councils`);
    expect(await page.locator('body').innerText()).toContain('020\u00a07946\u00a00119');
    // Each number is printed once, as it is dialled, without the address of its link after it.
    expect(
      await page.evaluate(
        '[...new Set([...document.querySelectorAll("main a")].map((each) => getComputedStyle(each, "::after").content))]',
      ),
    ).toEqual(['none']);
    await close();
  });

  test('a printed page says which year it is from, and in a demo that all of it is made up', async () => {
    const { page, close } = await openPage(demo.browser);
    await goTo(page, `${demo.baseUrl}/councils`);
    await page.emulateMedia({ media: 'print' });
    const printed = await page.locator('body').innerText();
    expect(printed).toMatch(
      new RegExp(COUNCILS.asOf(String.raw`${TIME_ON} \d+ [A-Z][a-z]+ \d{4}`)),
    );
    expect(printed).toContain(FRAME.demo);
    expect(printed).not.toContain(DANGER);
    await close();
  });

  test('no digit leaves its card at four times the size and with wide letter spacing, however long the number is', async () => {
    const { page, close } = await openPage(demo.browser, { viewport: { width: 320, height: 256 } });
    await signInAs(page, demo.baseUrl);
    for (const text of ['020\u00a07946\u00a00119', '+447700900123456']) {
      await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE.onPlan);
      const beyond = await page.evaluate(`(() => {
        const apart = new CSSStyleSheet();
        apart.replaceSync('* { letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }');
        document.adoptedStyleSheets = [apart];
        return [...document.querySelectorAll('.cpf-phones__number, .cpf-subject__number')].filter((each) => {
          if (each.localName === 'a') each.textContent = ${JSON.stringify(text)};
          return each.getBoundingClientRect().right > each.closest('ul, dl').getBoundingClientRect().right;
        }).map(({ textContent }) => textContent);
      })()`);
      expect(beyond).toEqual([]);
      await expectFits(page);
    }
    await close();
  });

  test('with forced colours and at 400% zoom, everything can still be read and told apart', async () => {
    const { page, close } = await openPage(demo.browser, {
      viewport: { width: 320, height: 256 },
      forcedColors: 'active',
    });
    await signInAs(page, demo.baseUrl);
    for (const person of ['onPlan', 'notHeld', 'unchecked'] as const) {
      await lookUp(page, demo.baseUrl, SAMPLE_PEOPLE[person]);
      await expectAccessible(page);
    }
    const border = await page.evaluate(
      'getComputedStyle(document.querySelector(".cpf-not-checked")).borderTopStyle',
    );
    expect(border).toBe('double');
    await close();
  });

  test('names that are long, unbroken or right to left do not widen a page or reverse any text', async () => {
    const child = testNumber(7_501);
    const other = await startTestService({
      authorities: [
        { code: 'ZZ101', name: `${'Long'.repeat(28)} Council`, rows: [{ nhsNumber: child }] },
        { code: 'ZZ102', name: `מועצת ${'צפון '.repeat(8)}`, rows: [{ nhsNumber: child }] },
      ],
    });
    const { page, close } = await openPage(demo.browser, { viewport: { width: 320, height: 640 } });
    try {
      await signInAs(page, other.baseUrl);
      await lookUp(page, other.baseUrl, { nhsNumber: child });
      expect(await heading(page)).toBe('2 councils have plans: ring both');
      await page.evaluate(
        'for (const each of document.querySelectorAll("details")) each.open = true',
      );
      await expectAccessible(page);
      await goTo(page, `${other.baseUrl}/councils`);
      await expectAccessible(page);
    } finally {
      await close();
      await other.stopAndRemove();
    }
  });

  test('a council is found by part of its name', async () => {
    const { page, complaints, close } = await openPage(demo.browser);
    await goTo(page, `${demo.baseUrl}/councils`);
    await page.getByLabel('Council’s name').fill('west');
    expect(await page.locator('[data-council]:visible').count()).toBe(1);
    expect(await page.getByRole('status').innerText()).toBe('1 council');
    expect(await page.locator('[data-letter]:visible').allInnerTexts()).toEqual(['W']);
    expect(await page.getByText('is not known').count()).toBe(0);
    await page.getByLabel('Council’s name').fill('Westbrook Council');
    expect(await page.locator('[data-council]:visible').allInnerTexts()).toEqual([
      expect.stringContaining('Westbrook City Council'),
    ]);
    const all = await page.locator('[data-council]').count();
    await page.emulateMedia({ media: 'print' });
    expect(await page.locator('[data-council]:visible').count()).toBe(all);
    await page.emulateMedia({ media: 'screen' });
    await page.getByLabel('Council’s name').fill('zzz');
    expect(await page.getByRole('status').innerText()).toContain('No council has that name');
    expect(complaints).toEqual([]);
    await close();
  });
});
