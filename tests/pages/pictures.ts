/**
 * Takes pictures of the main states of the pages for browsers, for people to look at:
 *
 *     npm run pictures                 into docs/pictures
 *     npm run pictures -- FOLDER       into another folder
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { SAMPLE_AUTHORITIES, SAMPLE_PEOPLE } from '#schemas/sample.ts';
import { UPLOAD } from '#schemas/wording/council.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { OFFICER, OFFICER_SEAL } from '#schemas/wording/officer.ts';
import { WITHDRAWALS } from '#schemas/wording/withdrawals.ts';
import { openPage, startBrowser } from '../support/browser.ts';
import { lookUp, signInAs } from '../support/pages.ts';
import { root, startServing } from '../support/processes.ts';
import { day } from '../support/rows.ts';
import { testFolder } from '../support/service.ts';
import { fileCsv, person, planOf } from '../support/upload-model.ts';

const folder = resolve(process.argv[2] ?? join(root, 'docs', 'pictures'));
await mkdir(folder, { recursive: true });

const browser = await startBrowser();
const dataDir = await testFolder();
const service = await startServing(['--demo'], { DATA_DIR: dataDir, PASTED_LISTS_A_DAY: '10' });
const { baseUrl } = service;

/** Captures the page down to a height, in a format that keeps words sharp at a third of the size of a PNG. */
async function pictureOf(page: Page, most: number): Promise<Buffer> {
  const browserSession = await page.context().newCDPSession(page);
  const { cssContentSize } = await browserSession.send('Page.getLayoutMetrics');
  const { data } = await browserSession.send('Page.captureScreenshot', {
    format: 'webp',
    quality: 24,
    captureBeyondViewport: true,
    clip: { ...cssContentSize, height: Math.min(most, cssContentSize.height), scale: 1 },
  });
  return Buffer.from(data, 'base64');
}

type Picture = {
  name: string;
  take: (page: Page) => Promise<void>;
  width?: number;
  /** The most that is captured of a long page. */
  height?: number;
};

const looked = (
  name: string,
  person: keyof typeof SAMPLE_PEOPLE,
  typed: { dateOfBirth?: string } = SAMPLE_PEOPLE[person],
): Picture => ({
  name,
  take: (page) => lookUp(page, baseUrl, { nhsNumber: SAMPLE_PEOPLE[person].nhsNumber, ...typed }),
});

/** A page of a desk, on a screen of the usual size. */
const desk = (name: string, who: string, take: Picture['take']): Picture => ({
  name,
  width: 1000,
  height: 900,
  async take(page) {
    await signInAs(page, baseUrl, who);
    await take(page);
  },
});

/** A file from the demo's council, with an ended plan and an unusable record. */
function councilFile(): { name: string; mimeType: string; buffer: Buffer } {
  const records = [
    planOf(8_101),
    planOf(8_102, { endDate: day('2026-11-20') }),
    { ...planOf(8_103), child: person(8_103, { nhsNumber: '9991000012' }) },
  ];
  return {
    name: `${SAMPLE_AUTHORITIES[0]?.code}-2-202611262130-${records.length}.csv`,
    mimeType: 'text/csv',
    buffer: Buffer.from(fileCsv({ records })),
  };
}

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
      await page.getByLabel('The patient left before being seen').check();
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
  desk('council', 'Carys Demo', async (page) => void (await page.goto(`${baseUrl}/council`))),
  desk('council-file', 'Carys Demo', async (page) => {
    await page.goto(`${baseUrl}/council/upload`);
    await page.getByLabel(UPLOAD.file, { exact: true }).setInputFiles(councilFile());
    await page.getByRole('button', { name: UPLOAD.submit }).click();
    await page.getByRole('heading', { level: 1, name: UPLOAD.shown }).waitFor();
  }),
  desk('council-looks', 'Carys Demo', async (page) => {
    // Looks are listed only once they have been sealed and notified.
    for (let rows = 0; rows === 0; rows = await page.getByRole('table').count()) {
      await page.goto(`${baseUrl}/council/looks`);
    }
  }),
  desk('council-withdrawal', 'Carys Demo', async (page) => {
    await page.goto(`${baseUrl}/council/withdraw`);
    await page.getByLabel(WITHDRAWALS.number).fill(SAMPLE_PEOPLE.onPlan.nhsNumber);
    await page.getByRole('button', { name: WITHDRAWALS.find }).click();
    await page.getByRole('radio').first().check();
  }),
  desk('officer-search', 'Esi Demo', async (page) => {
    await page.getByLabel(OFFICER.fields.number).fill(SAMPLE_PEOPLE.onPlan.nhsNumber);
    await page.getByLabel(DESK.reason).fill('Review of accesses, request 12');
    await page.getByRole('button', { name: OFFICER.submit }).click();
    await page.getByRole('heading', { level: 1, name: OFFICER.results }).waitFor();
  }),
  desk('officer-record', 'Esi Demo', async (page) => {
    await page.goto(`${baseUrl}/officer/seal`);
    await page.getByRole('button', { name: OFFICER_SEAL.start }).click();
    await page.getByText('Nothing was changed.').waitFor();
  }),
  desk('operator', 'Farid Demo', async (page) => void (await page.goto(`${baseUrl}/operator`))),
  { ...looked('narrow-protection-plan', 'onPlan'), width: 320 },
  { ...looked('narrow-no-plan-some-behind', 'notHeldWhileBehind'), width: 320 },
];

try {
  for (const { name, take, width = 560, height = Infinity } of PICTURES) {
    const { page, close } = await openPage(browser, { viewport: { width, height: 700 } });
    await signInAs(page, baseUrl);
    await take(page);
    await page.waitForLoadState('networkidle');
    await writeFile(join(folder, `${name}.webp`), await pictureOf(page, height));
    await close();
  }
} finally {
  await browser.close();
  await service.stop();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
}
