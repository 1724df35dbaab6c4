import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { SAMPLE_PEOPLE } from '#schemas/sample.ts';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import { NUMBERS } from '#schemas/wording/council-numbers.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { NOT_CHECKED } from '#schemas/wording/pages.ts';
import { RESTRICTION, RESTRICTIONS } from '#schemas/wording/restrictions.ts';
import { WITHDRAWAL, WITHDRAWALS } from '#schemas/wording/withdrawals.ts';
import {
  demoInBrowser,
  expectAccessible,
  goTo,
  hasBrowser,
  openPage,
  triesAll,
} from '../../support/browser.ts';
import { goByMenu, leave, lookUp, lookUpOnce, signInAs } from '../../support/pages.ts';

/** What a council does itself, in a real Chromium on a small screen, using the demo that `npm start` shows. */

const { nhsNumber } = SAMPLE_PEOPLE.onPlan;
const SMALL = { viewport: { width: 320, height: 800 } };

const demo = demoInBrowser();

/** Checked only by `npm run test:pages`, because it takes as long as the rest of the test. */
const accessible = (page: Page): Promise<void> | undefined =>
  triesAll ? expectAccessible(page) : undefined;

async function somebody(name: string): Promise<{ page: Page; close: () => Promise<void> }> {
  const { page, complaints, close } = await openPage(demo.browser, SMALL);
  await signInAs(page, demo.baseUrl, name);
  return {
    page,
    async close() {
      expect(complaints).toEqual([]);
      await close();
    },
  };
}
const press = (page: Page, name: string) =>
  leave(page, () => page.getByRole('button', { name }).click());
const open = (page: Page, name: string) =>
  leave(page, () => page.getByRole('link', { name, exact: true }).first().click());

describe.skipIf(!hasBrowser)('a council in a browser', () => {
  test('two of its people withdraw a flag on the wrong child, and a nurse is shown that there is no plan', async () => {
    const officer = await somebody('Carys Demo');
    await goByMenu(officer.page, WITHDRAWALS.title);
    await accessible(officer.page);
    await open(officer.page, WITHDRAWALS.begin);
    await accessible(officer.page);
    await officer.page.getByLabel(WITHDRAWALS.number).fill(nhsNumber);
    await press(officer.page, WITHDRAWALS.find);
    await accessible(officer.page);
    await officer.page.getByRole('radio').first().check();
    await officer.page.getByLabel(DESK.reason).fill('typed under the number of a twin');
    await press(officer.page, WITHDRAWALS.ask);
    // The number must be typed twice.
    await officer.page.getByText(WITHDRAWALS.againWrong).first().waitFor();
    await accessible(officer.page);
    await officer.page.getByLabel(WITHDRAWALS.again).fill(nhsNumber);
    await press(officer.page, WITHDRAWALS.ask);
    await officer.page.getByText(WITHDRAWALS.waiting).waitFor();
    await accessible(officer.page);
    const at = officer.page.url();

    const manager = await somebody('Ines Demo');
    await goTo(manager.page, at);
    await accessible(manager.page);
    await manager.page.getByLabel(WITHDRAWALS.confirmNumber).fill(nhsNumber);
    await press(manager.page, WITHDRAWALS.confirmButton);
    await manager.page.getByText(WITHDRAWAL.standing['in-force']).waitFor();
    await accessible(manager.page);

    const nurse = await somebody('Amina Demo');
    await lookUp(nurse.page, demo.baseUrl, { nhsNumber });
    expect(await nurse.page.locator('h1').innerText()).toMatch(/^No plan found/);
    for (const each of [officer, manager, nurse]) await each.close();
  });

  test('one of its people protects a child’s whereabouts and bars a nurse, who is told that the check could not be made', async () => {
    const child = SAMPLE_PEOPLE.lookedAfter.nhsNumber;
    const officer = await somebody('Carys Demo');
    const choose = async (what: string): Promise<void> => {
      await goByMenu(officer.page, RESTRICTIONS.title);
      await accessible(officer.page);
      await open(officer.page, RESTRICTIONS.begin);
      await officer.page.getByLabel(RESTRICTIONS.number, { exact: true }).fill(child);
      await press(officer.page, RESTRICTIONS.next);
      await officer.page.getByText(RESTRICTIONS.againWrong).first().waitFor();
      await accessible(officer.page);
      await officer.page.getByLabel(RESTRICTIONS.again).fill(child);
      await press(officer.page, RESTRICTIONS.next);
      await officer.page.getByLabel(what).check();
      await accessible(officer.page);
    };
    await choose(RESTRICTIONS.whereabouts);
    await officer.page.getByLabel(DESK.reason).fill('moved to safety');
    await press(officer.page, RESTRICTIONS.save);
    await officer.page.getByText(RESTRICTION.set.whereabouts).waitFor();
    await accessible(officer.page);
    await choose(RESTRICTIONS.barOther);
    await officer.page.getByLabel(RESTRICTIONS.user, { exact: true }).fill('demo-nurse');
    await officer.page.getByLabel(DESK.reason).fill('is the father of the child');
    await press(officer.page, RESTRICTIONS.save);
    await officer.page.getByText(RESTRICTION.set.barred).waitFor();
    await accessible(officer.page);
    const wide = await officer.page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect(wide).toBe(0);

    const nurse = await somebody('Amina Demo');
    await lookUpOnce(nurse.page, demo.baseUrl, { nhsNumber: child });
    expect(await nurse.page.locator('h1').innerText()).toBe(NOT_CHECKED.couldNotCheck);
    for (const each of [officer, nurse]) await each.close();
  });

  test.skipIf(!triesAll)(
    'its page of looks and its numbers can be read and changed by keyboard, and are accessible',
    async () => {
      const { page, close } = await somebody('Carys Demo');
      await accessible(page);
      await goByMenu(page, LOOKS.title);
      await accessible(page);
      await goByMenu(page, NUMBERS.title);
      await accessible(page);
      await page.getByLabel(NUMBERS.emergency).fill('020 7946 0177');
      await page.getByLabel(DESK.reason).fill('the duty desk has moved');
      await press(page, NUMBERS.check);
      await page.getByText('020 7946 0177').waitFor();
      await accessible(page);
      await press(page, NUMBERS.save);
      await page.getByText(NUMBERS.rangWrong).first().waitFor();
      await accessible(page);
      await page.getByLabel(NUMBERS.rang).check();
      await press(page, NUMBERS.save);
      await page.getByText(NUMBERS.done).waitFor();
      await close();
    },
  );
});
