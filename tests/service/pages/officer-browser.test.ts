import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NHS_NUMBER } from '#schemas/wording/nhs-number.ts';
import {
  OFFICER,
  OFFICER_CASES,
  OFFICER_DRAFT,
  OFFICER_ERASE,
  OFFICER_EVENT,
  OFFICER_HOLDS,
  OFFICER_PROOF,
  OFFICER_REPORTS,
  OFFICER_SEAL,
} from '#schemas/wording/officer.ts';
import { readKeys } from '#service/audit/seal/keys.ts';
import { proveEntry } from '#service/audit/verify/prove.ts';
import { numberText } from '#service/pages/look-up/result.ts';
import {
  expectAccessible,
  expectFits,
  goTo,
  hasBrowser,
  openPage,
  startBrowser,
  triesAll,
} from '../../support/browser.ts';
import { leave, signInAs } from '../../support/pages.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';

const CHILD = testNumber(8401);
const LONG = `Ünbreakable${'name'.repeat(24)}`;

let browser: Browser;
let service: TestService;

beforeAll(async () => {
  if (!hasBrowser) return;
  [service, browser] = await Promise.all([
    startTestService({ authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }] }),
    startBrowser(),
  ]);
  const token = await service.token(claims({ name: LONG }));
  for (let i = 0; i < 3; i++) await service.answered({ nhsNumber: CHILD }, { token });
});
afterAll(async () => {
  await browser?.close();
  await service?.stopAndRemove();
});

/** A proof of the first event of the log. */
async function proofOfFirst(): Promise<string> {
  const keys = (await readKeys(join(service.dataDir, 'audit-key'))).map((key) => key.verifierKey);
  return proveEntry(join(service.dataDir, 'audit'), keys, 0);
}

const heading = (page: Page): Promise<string> => page.locator('h1').innerText();

/** The slower check, which `npm test` makes only on pages with a table or several forms. */
const expectSeen = (page: Page, always = false): Promise<void> =>
  triesAll || always ? expectAccessible(page) : expectFits(page);

/** 210 mm less the margins of `@page`, at 96 px an inch. */
const A4_WITHIN_MARGINS_PX = 688;

async function printed(page: Page, selector: string): Promise<boolean> {
  await page.emulateMedia({ media: 'print' });
  const is = await page.locator(selector).first().isVisible();
  await page.emulateMedia({ media: 'screen' });
  return is;
}

async function answer(page: Page, action: string, fields: Record<string, string>): Promise<void> {
  const form = page.locator(`form[action="${action}"]`).last();
  for (const [name, value] of Object.entries(fields)) {
    const field = form.locator(`[name="${name}"]`);
    const radio = form.locator(`[name="${name}"][value="${value}"][type="radio"]`);
    const isList = (await form.locator(`select[name="${name}"]`).count()) > 0;
    if ((await radio.count()) > 0) await radio.check();
    else if (isList) await field.selectOption(value);
    else await field.fill(value);
  }
  await leave(page, () => form.locator('button[type="submit"]').first().click());
}

describe.skipIf(!hasBrowser)('a Guardian in a browser, on a small screen', () => {
  test('finds an access, opens a case on it, makes a report, drafts a copy and verifies the log, accessibly and without a script', async () => {
    const { page, complaints, close } = await openPage(browser, {
      viewport: { width: 320, height: 700 },
      javaScriptEnabled: true,
    });
    const open = (path: string) => goTo(page, `${service.baseUrl}${path}`);
    await signInAs(page, service.baseUrl, 'Esi Demo');
    expect(await heading(page)).toBe(OFFICER.search);
    await expectSeen(page);
    await answer(page, '/officer/search', { number: '123' });
    expect(await page.locator('.nhsuk-error-summary').innerText()).toContain(NHS_NUMBER.length(3));
    await expectSeen(page);
    await until(async () => {
      await open('/officer');
      await answer(page, '/officer/search', {
        number: CHILD,
        reason: 'complaint 12',
        type: 'lookup',
      });
      return (await page.locator('button[name="entry"]').count()) === 3;
    }, 'the lookups in the index');
    expect(await heading(page)).toBe(OFFICER.results);
    expect(page.url()).not.toContain(CHILD);
    await expectSeen(page, true);
    expect(await printed(page, 'main')).toBe(false);

    // On a wider screen a time or number takes one line, and a table that is too wide shows an edge.
    await page.setViewportSize({ width: 1_000, height: 700 });
    const tableNow = `(() => {
      const scroll = document.querySelector('.cpf-scroll');
      const times = [...scroll.querySelectorAll('.cpf-one-line')];
      return {
        hasEdge: getComputedStyle(scroll).backgroundImage.includes('gradient'),
        lines: times.map((time) => time.getClientRects().length),
      };
    })()`;
    expect(await page.evaluate(tableNow)).toEqual({ hasEdge: true, lines: [1, 1, 1, 1, 1, 1] });
    expect(await page.locator('tbody').innerText()).toContain(numberText(CHILD));
    // The audit id is on the page of the event.
    expect(await page.locator('th').allInnerTexts()).not.toContain('Audit id');
    await page.setViewportSize({ width: 320, height: 700 });

    await leave(page, () => page.locator('button[name="entry"]').first().click());
    expect(await heading(page)).toBe(OFFICER_EVENT.title);
    await expectSeen(page, true);
    await answer(page, '/officer/cases', { step: 'inquire', words: 'Rang the ward' });
    expect(await heading(page)).toBe(OFFICER_CASES.case);
    await expectSeen(page);
    await open('/officer/cases');
    expect(await page.locator('tbody tr').count()).toBe(1);
    // No heading is broken inside a word: its column is as wide as its longest word.
    const broken = `[...document.querySelectorAll('.cpf-table td')].filter((cell) => {
      const probe = document.createElement('span');
      probe.style.cssText = 'position:absolute;white-space:nowrap;font:' + getComputedStyle(cell, '::before').font;
      const words = cell.dataset.heading.split(' ');
      document.body.append(probe);
      const widest = Math.max(...words.map((word) => ((probe.textContent = word), probe.offsetWidth)));
      probe.remove();
      return parseFloat(getComputedStyle(cell).gridTemplateColumns) + 1 < widest;
    }).map((cell) => cell.dataset.heading)`;
    expect(await page.evaluate(broken)).toEqual([]);
    await expectSeen(page);

    await open('/officer/reports');
    await expectSeen(page);
    await answer(page, '/officer/reports', { report: 'repeats', reason: 'monthly review' });
    expect(await heading(page)).toBe(OFFICER_REPORTS.names.repeats);
    expect(await page.locator('svg.cpf-chart').count()).toBe(1);
    // All the words are inside the picture.
    const outside = `(() => {
      const box = document.querySelector('svg.cpf-chart').getBoundingClientRect();
      return [...document.querySelectorAll('svg.cpf-chart text')].filter((text) => {
        const { top, left, right, bottom } = text.getBoundingClientRect();
        return top < box.top || left < box.left || right > box.right || bottom > box.bottom;
      }).map((text) => text.textContent);
    })()`;
    expect(await page.evaluate(outside)).toEqual([]);
    await expectSeen(page, true);
    await open('/officer/patterns');
    await answer(page, '/officer/patterns', { reason: 'monthly review' });
    expect(await heading(page)).toBe(OFFICER.patterns);
    await expectSeen(page);

    await open('/officer/child');
    await expectSeen(page);
    const gates = { requester: 'child', protectedFrom: 'no', harm: 'no', abuse: 'no' };
    for (const each of ['names', 'places']) await page.locator(`[name="${each}"]`).check();
    await answer(page, '/officer/child', { number: CHILD, reason: 'request 7', ...gates });
    expect(await heading(page)).toBe(OFFICER_DRAFT.draft);
    await expectSeen(page, true);
    await page.locator('input[name^="line-"]').last().check();
    await leave(page, () => page.getByRole('button', { name: OFFICER_DRAFT.copy }).click());
    expect(await heading(page)).toBe(OFFICER_DRAFT.copyTitle);
    await expectSeen(page);
    // The copy is printed, without the name of the person signed in.
    expect(await printed(page, 'table')).toBe(true);
    expect(await printed(page, '.cpf-person')).toBe(false);
    await page.locator('h1').focus();
    await page.emulateMedia({ media: 'print' });
    const frame = "getComputedStyle(document.querySelector('h1'))";
    expect(await page.evaluate(`${frame}.outlineStyle + ${frame}.boxShadow`)).toBe('nonenone');
    // On A4 the lines start on the first sheet, so that it also has the reference, and no word is broken.
    const size = page.viewportSize();
    await page.setViewportSize({ width: A4_WITHIN_MARGINS_PX, height: 1_000 });
    const inTable = "getComputedStyle(document.querySelector('table'))";
    expect(await page.evaluate(`${inTable}.breakInside`)).toBe('auto');
    const brokenWords = `[...document.querySelectorAll('table bdi')].flatMap(({ firstChild }) =>
      [...firstChild.data.matchAll(/[^\\s-]+/g)].filter(({ 0: word, index }) => {
        const range = new Range();
        range.setStart(firstChild, index);
        range.setEnd(firstChild, index + word.length);
        return range.getClientRects().length > 1;
      }).map(([word]) => word))`;
    expect(await page.evaluate(brokenWords)).toEqual([]);
    if (size !== null) await page.setViewportSize(size);
    await page.emulateMedia({ media: 'screen' });

    await open('/officer/seal');
    await expectSeen(page);
    await page.getByRole('button', { name: OFFICER_SEAL.start }).click();
    await page.getByText('Nothing was changed').waitFor();
    await expectSeen(page);
    await page.locator('input[type="file"]').setInputFiles({
      name: `${LONG}.tlog-proof`,
      mimeType: 'text/plain',
      buffer: Buffer.from(await proofOfFirst()),
    });
    await leave(page, () => page.getByRole('button', { name: OFFICER_PROOF.submit }).click());
    expect(await heading(page)).toBe(OFFICER_PROOF.proven);
    await expectSeen(page, true);
    await open('/officer/seal');
    await page.locator('input[type="file"]').setInputFiles({
      name: 'cut.tlog-proof',
      mimeType: 'text/plain',
      buffer: Buffer.from((await proofOfFirst()).slice(0, 300)),
    });
    await leave(page, () => page.getByRole('button', { name: OFFICER_PROOF.submit }).click());
    expect(await heading(page)).toBe(OFFICER_PROOF.notProven);
    await expectSeen(page);
    await open('/officer/holds');
    await answer(page, '/officer/holds', { reason: LONG });
    await expectSeen(page);
    await leave(page, () => page.locator('tbody a').click());
    expect(await heading(page)).toBe(OFFICER_HOLDS.end);
    await expectSeen(page);
    await open('/officer/cases');
    await leave(page, () => page.locator('tbody a').click());
    await leave(page, () => page.getByText(OFFICER_ERASE.ofThisCase).click());
    expect(await heading(page)).toBe(OFFICER_ERASE.would(1));
    await expectSeen(page, true);
    await answer(page, '/officer/erase', { count: '2', reason: '' });
    expect(await page.locator('.nhsuk-error-summary').innerText()).toContain(
      OFFICER_ERASE.countWrong(1),
    );
    await expectSeen(page);
    await answer(page, '/officer/erase', { count: '1', reason: 'retention schedule' });
    await page.getByText(OFFICER_ERASE.done(1)).waitFor();
    await expectSeen(page);
    await open('/officer/blocked');
    await expectSeen(page);
    expect(complaints).toEqual([]);
    await close();
  });
});
