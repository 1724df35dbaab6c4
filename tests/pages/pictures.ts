/**
 * Takes pictures of the main states of the pages for browsers, for people to look at:
 *
 *     npm run pictures                 into docs/pictures
 *     npm run pictures -- FOLDER       into another folder
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { SAMPLE_PEOPLE } from '#schemas/sample.ts';
import { findBrowser, NO_BROWSER, openPage, startBrowser } from '../support/browser.ts';
import { lookUp, signInAs } from '../support/pages.ts';
import { root, startServing } from '../support/processes.ts';
import { testFolder } from '../support/service.ts';

const executable = findBrowser();
if (executable === undefined) throw new Error(NO_BROWSER);
const folder = resolve(process.argv[2] ?? join(root, 'docs', 'pictures'));
await mkdir(folder, { recursive: true });

const dataDir = await testFolder();
const service = await startServing(['--demo'], { DATA_DIR: dataDir, PASTED_LISTS_A_DAY: '10' });
const browser = await startBrowser(executable);
const { baseUrl } = service;

/** Of the whole page, in a format that keeps words sharp in a third of a PNG's size. */
async function pictureOf(page: Page): Promise<Buffer> {
  const browserSession = await page.context().newCDPSession(page);
  const { cssContentSize } = await browserSession.send('Page.getLayoutMetrics');
  const { data } = await browserSession.send('Page.captureScreenshot', {
    format: 'webp',
    quality: 24,
    captureBeyondViewport: true,
    clip: { ...cssContentSize, scale: 1 },
  });
  return Buffer.from(data, 'base64');
}

type Picture = { name: string; take: (page: Page) => Promise<void>; width?: number };

const looked = (
  name: string,
  person: keyof typeof SAMPLE_PEOPLE,
  typed: { dateOfBirth?: string } = SAMPLE_PEOPLE[person],
): Picture => ({
  name,
  take: (page) => lookUp(page, baseUrl, { nhsNumber: SAMPLE_PEOPLE[person].nhsNumber, ...typed }),
});

const PICTURES: readonly Picture[] = [
  { name: 'sign-in', take: async (page) => void (await page.goto(`${baseUrl}/sign-in`)) },
  { name: 'refused', take: (page) => signInAs(page, baseUrl, 'Gwen Demo') },
  { name: 'look-up', take: async (page) => void (await page.goto(`${baseUrl}/look-up`)) },
  {
    name: 'wrong-number',
    take: (page) => lookUp(page, baseUrl, { nhsNumber: '999 100 0012', dateOfBirth: '2019-02-30' }),
  },
  looked('protection-plan', 'onPlan'),
  looked('in-care', 'lookedAfter'),
  looked('unborn', 'expecting'),
  looked('due-date-passed', 'overdue'),
  looked('several-councils', 'twoAuthorities'),
  looked('plan-and-care', 'both'),
  looked('ended', 'ended'),
  looked('date-of-birth-differs', 'onPlan', { dateOfBirth: '2018-01-01' }),
  looked('no-plan', 'notHeld'),
  looked('no-plan-some-behind', 'notHeldWhileBehind'),
  looked('plan-behind', 'behind'),
  looked('could-not-check', 'unchecked'),
  looked('limited', 'limited'),
  {
    name: 'details',
    async take(page) {
      await lookUp(page, baseUrl, SAMPLE_PEOPLE.onPlan);
      await page.getByText('Dates, who looked lately').click();
    },
  },
  {
    name: 'silent-reader',
    async take(page) {
      await signInAs(page, baseUrl, 'Bryn Demo');
      await lookUp(page, baseUrl, SAMPLE_PEOPLE.onPlan);
      await page.getByText('Dates, who looked lately').click();
    },
  },
  {
    name: 'hidden',
    async take(page) {
      await lookUp(page, baseUrl, SAMPLE_PEOPLE.onPlan);
      await page.getByRole('link', { name: 'Hide' }).click();
    },
  },
  {
    name: 'signed-out',
    async take(page) {
      await page.goto(`${baseUrl}/look-up`);
      await page.getByRole('button', { name: 'Sign out' }).click();
    },
  },
  {
    name: 'session-over',
    async take(page) {
      await page.goto(`${baseUrl}/look-up`);
      await page.context().clearCookies();
      await page.getByLabel('NHS number').fill(SAMPLE_PEOPLE.onPlan.nhsNumber);
      await page.getByRole('button', { name: 'Look up' }).click();
    },
  },
  {
    name: 'what-came-of-it',
    async take(page) {
      await lookUp(page, baseUrl, SAMPLE_PEOPLE.onPlan);
      await page.getByText('What came of it?').click();
    },
  },
  {
    name: 'recorded',
    async take(page) {
      await lookUp(page, baseUrl, SAMPLE_PEOPLE.onPlan);
      await page.getByText('What came of it?').click();
      await page.getByLabel('The child left before being seen').check();
      await page.getByRole('button', { name: 'Tell the council' }).click();
    },
  },
  {
    name: 'list',
    async take(page) {
      await signInAs(page, baseUrl, 'Bryn Demo');
      await page.goto(`${baseUrl}/list`);
    },
  },
  {
    name: 'list-looked-up',
    async take(page) {
      await signInAs(page, baseUrl, 'Bryn Demo');
      await page.goto(`${baseUrl}/list`);
      const { onPlan, notHeld, ended, unchecked } = SAMPLE_PEOPLE;
      const lines = [onPlan, notHeld, ended, unchecked].map(({ nhsNumber }) => nhsNumber);
      await page.getByLabel('NHS numbers').fill([...lines, '999 100 0012'].join('\n'));
      await page.getByRole('button', { name: 'Look up the list' }).click();
    },
  },
  { name: 'councils', take: async (page) => void (await page.goto(`${baseUrl}/councils`)) },
  { ...looked('narrow-protection-plan', 'onPlan'), width: 320 },
  { ...looked('narrow-no-plan-some-behind', 'notHeldWhileBehind'), width: 320 },
];

try {
  for (const { name, take, width = 560 } of PICTURES) {
    const { page, close } = await openPage(browser, { viewport: { width, height: 700 } });
    await signInAs(page, baseUrl);
    await take(page);
    await page.waitForLoadState('networkidle');
    await writeFile(join(folder, `${name}.webp`), await pictureOf(page));
    await close();
  }
} finally {
  await browser.close();
  await service.stop();
  await rm(dataDir, { recursive: true, force: true });
}
