import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { SAMPLE_AUTHORITIES } from '#schemas/sample.ts';
import { COUNCIL, HELD, HISTORY, HOLDINGS, RECONCILE, UPLOAD } from '#schemas/wording/council.ts';
import {
  demoInBrowser,
  expectAccessible,
  expectHeadingInSight,
  goTo,
  hasBrowser,
  openPage,
  triesAll,
  unfold,
} from '../../support/browser.ts';
import { goByMenu, leave, signInAs } from '../../support/pages.ts';
import { day } from '../../support/rows.ts';
import { fileCsv, person, planOf } from '../../support/upload-model.ts';

/** A data officer's week in a real Chromium, using the demo that `npm start` shows. `npm run test:pages` runs it. */

const demo = demoInBrowser(hasBrowser && triesAll);

const heading = (page: Page): Promise<string> => page.locator('h1').innerText();

/** Includes the parts of the page that are folded away. */
async function expectAllAccessible(page: Page): Promise<void> {
  await expectHeadingInSight(page);
  await unfold(page);
  await expectAccessible(page);
}

const NAME = 'Carys Demo';
/** The day before the files were made. */
const csvEnd = day('2026-11-20');
const code = SAMPLE_AUTHORITIES[0]?.code ?? '';

/** A file from the demo's council, with one record that cannot be used. */
const csvOf = (sequence: number) => ({
  name: `${code}-${sequence}-202611262130-3.csv`,
  mimeType: 'text/csv',
  buffer: Buffer.from(
    fileCsv({
      records: [
        planOf(8_101),
        planOf(8_102),
        { ...planOf(8_103), child: person(8_103, { nhsNumber: '9991000012' }) },
      ],
    }),
  ),
});

/** Waits until a page that reloads itself shows this title. */
async function comeTo(page: Page, title: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name: title }).waitFor();
}

describe.skipIf(!hasBrowser || !triesAll)('a data officer in a browser', () => {
  test('sends a file, sees its result, and compares, on accessible pages', async () => {
    const { page, complaints, close } = await openPage(demo.browser, {
      viewport: { width: 320, height: 640 },
    });
    await signInAs(page, demo.baseUrl, NAME);
    expect(await heading(page)).toContain('Northmoor');
    await expectAllAccessible(page);
    await goByMenu(page, UPLOAD.title);
    await expectAllAccessible(page);
    // The browser does not open a file that is dropped beside the box.
    await page.evaluate(
      `document.querySelector('h1').dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true }))`,
    );
    await page.getByRole('button', { name: UPLOAD.submit }).click();
    expect(await page.getByRole('alert').innerText()).toContain(UPLOAD.choose);
    await expectAllAccessible(page);

    await page.getByLabel(UPLOAD.file, { exact: true }).setInputFiles(csvOf(2));
    await page.getByRole('button', { name: UPLOAD.submit }).click();
    await comeTo(page, UPLOAD.shown);
    await expectAllAccessible(page);
    await page.reload();
    await page.getByRole('button', { name: UPLOAD.send, exact: true }).click();
    await comeTo(page, UPLOAD.answered.CPF03);
    await expectAllAccessible(page);

    await goTo(page, `${demo.baseUrl}/council/history`);
    await expect
      .poll(async () => {
        await page.reload();
        return page.getByRole('link', { name: '2', exact: true }).count();
      })
      .toBe(1);
    await expectAllAccessible(page);
    await page.getByRole('link', { name: '2', exact: true }).click();
    await comeTo(page, HISTORY.file(2));
    await expectAllAccessible(page);
    const [saved] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'as CSV' }).click(),
    ]);
    expect(saved.suggestedFilename()).toBe(`${code}-2.ack.csv`);

    await goByMenu(page, HELD.title);
    expect(await heading(page)).toBe(HELD.none);
    await expectAllAccessible(page);
    await goByMenu(page, HOLDINGS.title);
    await expectAllAccessible(page);
    const [held] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: HOLDINGS.submit }).click(),
    ]);
    expect(held.suggestedFilename()).toContain(`${code}-held-`);

    await goByMenu(page, RECONCILE.title);
    await expectAllAccessible(page);
    await page.getByLabel(UPLOAD.file, { exact: true }).setInputFiles(csvOf(3));
    await page.getByRole('button', { name: RECONCILE.submit }).click();
    await comeTo(page, RECONCILE.done);
    await expectAllAccessible(page);
    expect(complaints).toEqual([]);
    await close();
  });

  test('sends a file without JavaScript, and confirms how many children stop showing a plan', async () => {
    const { page, close } = await openPage(demo.browser, { javaScriptEnabled: false });
    await signInAs(page, demo.baseUrl, NAME);
    await goTo(page, `${demo.baseUrl}/council/upload`);
    const { name, mimeType } = csvOf(3);
    const ended = { records: [planOf(8_101, { endDate: csvEnd })] };
    const buffer = Buffer.from(fileCsv(ended));
    await page.getByLabel(UPLOAD.file, { exact: true }).setInputFiles({
      name: name.replace('-3.csv', '-1.csv'),
      mimeType,
      buffer,
    });
    await page.getByRole('button', { name: UPLOAD.submit }).click();
    await comeTo(page, UPLOAD.shown);
    await leave(page, () => page.getByRole('button', { name: UPLOAD.send, exact: true }).click());
    expect(await page.getByRole('alert').innerText()).toContain(UPLOAD.confirmWrong(1));
    await page.getByLabel(UPLOAD.confirm(1)).fill('1');
    await page.getByRole('button', { name: UPLOAD.send, exact: true }).click();
    await comeTo(page, UPLOAD.answered.CPF02);
    await goTo(page, `${demo.baseUrl}/`);
    expect(await page.getByText(COUNCIL.held).count()).toBe(1);
    await close();
  });
});
