import type { Page } from 'playwright-core';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { SAMPLE_PEOPLE } from '#schemas/sample.ts';
import { FRAME } from '#schemas/wording/pages.ts';
import { until, untilAnswered } from './until.ts';

const CHILDS = PLAN_TYPES['child-protection-plan'];
const IN_CARE = PLAN_TYPES['looked-after-child'];
export const HEADINGS = {
  onPlan: CHILDS.heading,
  inCare: IN_CARE.heading,
  unborn: PLAN_TYPES['unborn-child-protection-plan'].heading,
  both: `${CHILDS.heading} and ${IN_CARE.alsoHeading}`,
};

/** Matches a time of day on a page, also in the hour that London's clocks show twice. */
export const TIME_ON = String.raw`[0-9]{2}:[0-9]{2}(?: GMT| BST)? on`;

/** Whether the page at an address cannot be shown at the moment. */
const isAway = async (page: Page, address: string): Promise<boolean> =>
  (await page.goto(address))?.status() === 503;

/**
 * Does what leads to another page, and waits until that is there. A test that did not wait would read the old one, or
 * half of the new one.
 */
export async function leave(page: Page, act: () => Promise<void>): Promise<{ status: number }> {
  const [response] = await Promise.all([
    page.waitForNavigation({ waitUntil: 'domcontentloaded' }),
    act(),
  ]);
  return { status: response?.status() ?? 200 };
}

/** Presses a button that leads to another page. */
const press = (page: Page, name: string): Promise<{ status: number }> =>
  leave(page, () => page.getByRole('button', { name }).click());

/** Signs in as one of a demo's made-up people, chosen by their label, and again while that cannot be done. */
export async function signInAs(page: Page, baseUrl: string, name = 'Amina Demo'): Promise<void> {
  await untilAnswered(async () => {
    if (await isAway(page, `${baseUrl}/sign-in`)) return { status: 503 };
    await page.getByLabel(name).check();
    return press(page, 'Continue');
  }, `${name} to be signed in`);
}

/** Goes to another page of a desk through the menu on a small screen. */
export async function goByMenu(page: Page, name: string): Promise<void> {
  await page.getByText(FRAME.menu, { exact: true }).click();
  await leave(page, () => page.getByRole('link', { name, exact: true }).first().click());
}

export type Typed = { nhsNumber: string; dateOfBirth?: string };

/** Looks up a number once, from whichever page is open. */
export async function lookUpOnce(
  page: Page,
  baseUrl: string,
  { nhsNumber, dateOfBirth }: Typed,
): Promise<{ status: number }> {
  await until(async () => !(await isAway(page, `${baseUrl}/look-up`)), 'the form to be shown');
  await page.getByLabel('NHS number').fill(nhsNumber);
  if (dateOfBirth !== undefined) {
    const [year = '', month = '', day = ''] = dateOfBirth.split('-');
    await page.getByLabel('Day').fill(day);
    await page.getByLabel('Month').fill(month);
    await page.getByLabel('Year').fill(year);
  }
  return press(page, 'Look up');
}

/** Looks up a number, and again while the check could not be made, unless a number for which it never can. */
export async function lookUp(page: Page, baseUrl: string, typed: Typed): Promise<void> {
  const ask = () => lookUpOnce(page, baseUrl, typed);
  await (typed.nhsNumber === SAMPLE_PEOPLE.unchecked.nhsNumber ? ask() : untilAnswered(ask));
}
