import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listHeldFiles } from '#loaders/upkeep/held-files.ts';
import { UPLOAD } from '#schemas/wording/council.ts';
import { COLUMNS } from '#schemas/wording/council-columns.ts';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { OFFICER, OFFICER_DRAFT, OFFICER_REPORTS } from '#schemas/wording/officer.ts';
import { BLOCKED } from '#schemas/wording/operator.ts';
import { COUNCIL_SETTINGS, EXPECTED } from '#schemas/wording/operator-councils.ts';
import { WITHDRAWALS } from '#schemas/wording/withdrawals.ts';
import { DEMO_ISSUER } from '#service/admission/demo-issuer.ts';
import { DEMO_OPERATOR } from '#service/admission/personas.ts';
import { COUNCIL_DESK, type Desk, OFFICER_DESK, OPERATOR_DESK } from '#service/pages/desk/desks.ts';
import { createBlocks } from '#store/blocks.ts';
import { Anchor } from '#store/trust/anchor.ts';
import {
  expectAccessible,
  expectFits,
  expectHeadingInSight,
  goTo,
  hasBrowser,
  openPage,
  startBrowser,
  triesAll,
  unfold,
} from '../../support/browser.ts';
import { visitorAs } from '../../support/desk.ts';
import { leave } from '../../support/pages.ts';
import { day, testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';
import { loader } from '../../support/upload-loading.ts';
import { fileCsv, fileXml, person, planOf, upload } from '../../support/upload-model.ts';

/** Pages of the desks in a real Chromium on a small and a medium screen, with long names that cannot be broken. */

const LONG = `Ünbreakable${'name'.repeat(20)}`;
const USER = `user-${'x'.repeat(31)}`;
const CODE = 'ZZ101';
const CHILD = testNumber(8601);
const SMALL = { width: 320, height: 640 };
const MIDDLING = { width: 1024, height: 768 };

let browser: Browser;
let service: TestService;
let anchor: Anchor;

beforeAll(async () => {
  if (!hasBrowser) return;
  [service, browser] = await Promise.all([
    startTestService({
      authorities: [
        { code: CODE, name: `Council ${LONG}` },
        { code: 'ZZ102', name: `Behind ${LONG}`, hoursOld: 200 },
      ],
      environment: { NOTIFICATIONS_WINDOW_MINUTES: '0.005' },
    }),
    startBrowser(),
  ]);
  anchor = Anchor.open(join(service.dataDir, 'anchor'));
  const { load } = loader({ ...service, anchor });
  const records = (differing = {}) => [
    { ...planOf(8_601, differing), child: person(8_601, { localId: LONG.slice(0, 40) }) },
    ...Array.from({ length: 9 }, (_, i) => planOf(8_602 + i, differing)),
  ];
  await load(
    fileXml(upload({ authorityName: `Council ${LONG}`, sequence: 2, records: records() })),
  );
  await load(
    fileXml(
      upload({
        authorityName: `Council ${LONG}`,
        sequence: 3,
        records: records({ endDate: day('2026-11-20') }),
      }),
    ),
  );
  const token = await service.token(claims({ sub: USER, name: LONG }));
  for (let i = 0; i < 3; i++) await service.answered({ nhsNumber: CHILD }, { token });
  const blocked = { issuer: DEMO_ISSUER, user: `${USER}-2`, by: LONG, reason: LONG };
  await createBlocks(service.admin, service.store).block({ ...blocked, desk: 'officer' });
});
afterAll(async () => {
  anchor?.close();
  await browser?.close();
  await service?.stopAndRemove();
});

/** A browser in which somebody with a long name is signed in at a desk. */
async function somebody({ scope }: Desk, organisation: string) {
  const { jar } = await visitorAs(service, { user: USER, organisation, scopes: [scope] });
  const opened = await openPage(browser, { viewport: SMALL });
  const [[name = '', value = ''] = []] = jar;
  await opened.page.context().addCookies([{ name, value, url: service.baseUrl }]);
  return opened;
}

/** Expects that the whole page, including what is folded away, can be seen on both screens. */
async function expectSeen(page: Page): Promise<void> {
  await expectHeadingInSight(page);
  await unfold(page);
  await (triesAll ? expectAccessible(page) : expectFits(page));
  await page.setViewportSize(MIDDLING);
  await expectFits(page);
  await page.setViewportSize(SMALL);
}

async function open(page: Page, path: string): Promise<void> {
  const { status } = await goTo(page, `${service.baseUrl}${path}`);
  // A refusal would fit any screen.
  expect({ path, status }).toEqual({ path, status: 200 });
}
const press = (page: Page, name: string): Promise<unknown> =>
  leave(page, () => page.getByRole('button', { name, exact: true }).first().click());

async function expectLinksSeen(page: Page, { links }: Desk): Promise<void> {
  for (const { href } of links) {
    await open(page, href);
    await expectSeen(page);
  }
}

const csv = (name: string, text: string) => ({
  name,
  mimeType: 'text/csv',
  buffer: Buffer.from(text),
});

describe.skipIf(!hasBrowser)('on screens 320 and 1024 pixels wide', () => {
  test('a council’s pages stay within the screen, and every heading is visible', async () => {
    const { page, close } = await somebody(COUNCIL_DESK, CODE);
    await until(async () => {
      await open(page, '/council/looks');
      return (await page.getByText(LONG).count()) > 0;
    }, 'the look in the list');
    await expectLinksSeen(page, COUNCIL_DESK);
    await open(page, '/council/looks');
    await page.getByLabel(LOOKS.child, { exact: true }).fill(CHILD);
    await press(page, LOOKS.show);
    await expectSeen(page);
    await open(page, '/council/withdraw');
    await page.getByLabel(WITHDRAWALS.number).fill(CHILD);
    await press(page, WITHDRAWALS.find);
    await expectSeen(page);
    // Its records cannot be used, and say why. Its name cannot be broken either.
    const records = [1, 2, 3].map((n) => ({
      ...planOf(8_700 + n),
      child: person(8_700 + n, { nhsNumber: '9991000012', localId: `${n}-${LONG}`.slice(0, 40) }),
    }));
    const file = fileCsv({ records: [...records, planOf(8_704)] });
    await open(page, '/council/upload');
    await page
      .getByLabel(UPLOAD.file, { exact: true })
      .setInputFiles(csv(`${CODE}-4-202611262130-4.csv`, file));
    await press(page, UPLOAD.submit);
    await page.getByRole('heading', { level: 1, name: UPLOAD.shown }).waitFor();
    await expectSeen(page);
    await open(page, '/council/columns');
    const foreign = csv(
      `${LONG}.csv`,
      `NHS No,DOB,${LONG},Type,Start,End\n9990000018,2019-03-05,${LONG},${LONG},2026-01-05,\n`,
    );
    await page.locator('input[type="file"]').setInputFiles(foreign);
    await press(page, COLUMNS.look);
    await page.getByRole('heading', { level: 1, name: COLUMNS.choose }).waitFor();
    await expectSeen(page);
    await close();
  });

  test('an officer’s pages stay within the screen, and every heading is visible', async () => {
    const { page, close } = await somebody(OFFICER_DESK, DEMO_OPERATOR.code);
    await until(async () => {
      await open(page, '/officer');
      await page.getByLabel(OFFICER.fields.number).fill(CHILD);
      await page.getByLabel(DESK.reason).fill(LONG);
      await press(page, OFFICER.submit);
      return (await page.locator('button[name="entry"]').count()) >= 3;
    }, 'the looks in the index');
    await expectSeen(page);
    await leave(page, () => page.locator('button[name="entry"]').last().click());
    await expectSeen(page);
    await expectLinksSeen(page, OFFICER_DESK);
    const widest = ['lookers', 'repeats', 'searches'];
    for (const report of triesAll ? Object.keys(OFFICER_REPORTS.names) : widest) {
      await open(page, '/officer/reports');
      await page.locator('[name="report"]').selectOption(report);
      await page.locator('[name="least"]').fill('1');
      if (report === 'child') await page.getByLabel(OFFICER.fields.number).fill(CHILD);
      if (report === 'user') await page.getByLabel(OFFICER.fields.user).fill(USER);
      if (report === 'site') await page.getByLabel(OFFICER.fields.organisation).fill('ZZH01');
      await page.getByLabel(DESK.reason).fill('monthly review');
      await press(page, OFFICER_REPORTS.submit);
      await expectSeen(page);
    }
    await open(page, '/officer/patterns');
    await page.getByLabel(DESK.reason).fill('monthly review');
    await press(page, OFFICER_REPORTS.patternsSubmit);
    await expectSeen(page);
    await open(page, '/officer/child');
    await page.getByLabel(OFFICER.fields.number).fill(CHILD);
    await page.getByLabel(DESK.reason).fill('request 7');
    for (const [name, value] of Object.entries({
      requester: 'child',
      protectedFrom: 'no',
      harm: 'no',
      abuse: 'no',
    })) {
      await page.locator(`[name="${name}"][value="${value}"]`).check();
    }
    await page.locator('form[action="/officer/child"] button[type="submit"]').first().click();
    await page.getByRole('heading', { level: 1, name: OFFICER_DRAFT.draft }).waitFor();
    await expectSeen(page);
    await close();
  });

  test('the operator’s pages stay within the screen, and every heading is visible', async () => {
    const { page, close } = await somebody(OPERATOR_DESK, DEMO_OPERATOR.code);
    await expectLinksSeen(page, OPERATOR_DESK);
    const [held] = listHeldFiles(anchor);
    await open(page, `/operator/files/${held?.authority}/${held?.number}`);
    await expectSeen(page);
    await open(page, `/operator/councils/${CODE}`);
    await expectSeen(page);
    await page.getByLabel(COUNCIL_SETTINGS.fields.name, { exact: true }).fill(`New ${LONG}`);
    await press(page, COUNCIL_SETTINGS.check);
    await page.getByRole('heading', { level: 1, name: COUNCIL_SETTINGS.confirm }).waitFor();
    await expectSeen(page);
    for (const path of ['/operator/set-up', '/operator/councils/ZZ199', '/operator/expected']) {
      await open(page, path);
      await expectSeen(page);
    }
    await page.getByLabel(EXPECTED.area, { exact: true }).fill(LONG);
    await page.locator('[name="kind"][value="pilot"]').check();
    await press(page, EXPECTED.check);
    await page.getByRole('heading', { level: 1, name: EXPECTED.confirm }).waitFor();
    await expectSeen(page);
    await open(page, '/operator/users');
    await leave(page, () => page.getByRole('link', { name: BLOCKED.unblock(`${USER}-2`) }).click());
    await expectSeen(page);
    await close();
  });
});
