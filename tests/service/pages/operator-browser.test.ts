import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listHeldFiles } from '#loaders/upkeep/held-files.ts';
import { HELD, OPERATOR } from '#schemas/wording/operator.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import { OPERATOR_DESK } from '#service/pages/desk/desks.ts';
import { Anchor } from '#store/trust/anchor.ts';
import {
  expectAccessible,
  goTo,
  hasBrowser,
  openPage,
  startBrowser,
  unfold,
} from '../../support/browser.ts';
import { signInAs } from '../../support/pages.ts';
import { day } from '../../support/rows.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { loader } from '../../support/upload-loading.ts';
import { fileXml, planOf, upload } from '../../support/upload-model.ts';

/** The operator's pages in a real Chromium. */

let browser: Browser;
let service: TestService;
let anchor: Anchor;

beforeAll(async () => {
  if (!hasBrowser) return;
  [service, browser] = await Promise.all([
    startTestService({ authorities: [{ code: 'ZZ101', name: 'Northmoor Council' }] }),
    startBrowser(),
  ]);
  anchor = Anchor.open(join(service.dataDir, 'anchor'));
  const { load } = loader({ ...service, anchor });
  const children = (differing = {}) => Array.from({ length: 10 }, (_, i) => planOf(i, differing));
  await load(fileXml(upload({ sequence: 2, records: children() })));
  await load(fileXml(upload({ sequence: 3, records: children({ endDate: day('2026-11-20') }) })));
});
afterAll(async () => {
  anchor?.close();
  await browser?.close();
  await service?.stopAndRemove();
});

describe.skipIf(!hasBrowser)('in a browser', () => {
  test('charts can be seen in the colours that a reader has chosen', async () => {
    const { page, close } = await openPage(browser, {
      forcedColors: 'active',
      colorScheme: 'dark',
    });
    await signInAs(page, service.baseUrl, 'Farid Demo');
    await page.locator('.cpf-chart').first().waitFor();
    const colours = `[...document.querySelectorAll('.cpf-chart :is(text, path, rect, circle)')].map((each) => {
      const { fill, stroke } = getComputedStyle(each);
      return fill === 'none' ? stroke : fill;
    })`;
    const ofWords = await page.evaluate('getComputedStyle(document.body).color');
    expect(new Set(await page.evaluate<string[]>(colours))).toEqual(new Set([ofWords]));
    await close();
  });

  test('an operator gets from the to-do list to a held file by keyboard, and releases it', async () => {
    const { page, complaints, close } = await openPage(browser);
    await signInAs(page, service.baseUrl, 'Farid Demo');
    // On a busy machine a process's report may be late.
    await expect
      .poll(
        async () => (
          await page.goto(`${service.baseUrl}/operator`), page.locator('h1').innerText()
        ),
      )
      .toMatch(/^Lookups are answered/);
    await page.locator('.cpf-concern a', { hasText: OPERATOR.files }).focus();
    await page.keyboard.press('Enter');
    await page.locator('td a', { hasText: 'File 3 of' }).focus();
    await page.keyboard.press('Enter');
    await page.getByLabel(HELD.release).waitFor();
    await page.getByLabel(HELD.release).focus();
    await page.keyboard.press('Space');
    await page.getByLabel(HELD.confirmedBy).focus();
    await page.keyboard.type('B. Council, data officer');
    await page.keyboard.press('Tab');
    await page.keyboard.type('a service has moved');
    await page.keyboard.press('Enter');
    await page.getByText(HELD.became).waitFor();
    expect(await page.locator('main').innerText()).toContain('10 accepted, 0 refused');
    await page.reload();
    expect(await page.locator('main').innerText()).toContain('10 accepted, 0 refused');
    expect(listHeldFiles(anchor)).toEqual([]);
    expect(complaints).toEqual([]);
    await close();
  });

  test('an operator gets from the to-do list to what only a named person decides by keyboard, and confirms it', async () => {
    const { page, complaints, close } = await openPage(browser, {
      viewport: { width: 320, height: 640 },
    });
    await signInAs(page, service.baseUrl, 'Farid Demo');
    anchor.rememberClock(Date.now() + 3_600_000);
    await expect
      .poll(
        async () => (
          await page.goto(`${service.baseUrl}/operator`), page.locator('main').innerText()
        ),
      )
      .toContain(DECISIONS.waits.clock);
    await expectAccessible(page);
    await page.locator('.cpf-concern a', { hasText: DECISIONS.titles.clock }).focus();
    await page.keyboard.press('Enter');
    await page.getByText(DECISIONS.before, { exact: true }).waitFor();
    await expectAccessible(page);
    await page.locator('#reason').focus();
    await page.keyboard.type('ticket 1234');
    await page.keyboard.press('Enter');
    await page.getByText('Confirmed.').waitFor();
    await expectAccessible(page);
    expect(complaints).toEqual([]);
    await close();
  });

  test('every operator’s page is accessible, and fits a screen 320 pixels wide with all its tables open', async () => {
    const { page, complaints, close } = await openPage(browser, {
      viewport: { width: 320, height: 640 },
    });
    await signInAs(page, service.baseUrl, 'Farid Demo');
    const below = ['decisions/promotion', 'decisions/replicas', 'decisions/copy', 'repair'];
    const paths = [
      ...OPERATOR_DESK.links.map(({ href }) => href),
      ...below.map((each) => `/operator/running/${each}`),
    ];
    for (const href of paths) {
      await goTo(page, `${service.baseUrl}${href}`);
      await unfold(page);
      await expectAccessible(page);
      // If a chart scrolled, only its first half hour would be seen.
      const charts = '.cpf-figure .cpf-scroll:has(> svg)';
      const hidden = await page.evaluate(
        `[...document.querySelectorAll('${charts}')].map((each) => each.scrollWidth - each.clientWidth)`,
      );
      expect(hidden).toEqual(href === '/operator' ? [0, 0, 0, 0] : []);
    }
    expect(complaints).toEqual([]);
    await close();
  });
});
