import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DESKS } from '#schemas/wording/desk.ts';
import { ACCESSIBILITY, COUNCILS, FRAME, LOOK_UP } from '#schemas/wording/pages.ts';
import { findCouncils } from '#service/pages/assets/councils.js';
import {
  expectAccessible,
  goTo,
  hasBrowser,
  openPage,
  startBrowser,
} from '../../support/browser.ts';
import { signInAs } from '../../support/pages.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { createVisitor, signedIn, type Visit, wordsOf } from '../../support/visitor.ts';

const NAMES = [
  'Birmingham City Council',
  'Brighton and Hove City Council',
  'Kensington and Chelsea',
  'Kent County Council',
  'Kingston upon Thames',
  'Leeds City Council',
  'St. Helens Borough Council',
];

/** What somebody typed, the councils that it finds, and what the page says of them. */
const TYPED: [string, string[], string][] = [
  ['birm', ['Birmingham City Council'], COUNCILS.matches(1)],
  ['Brimingham', ['Birmingham City Council'], COUNCILS.near(1)],
  ['Burmingam council', ['Birmingham City Council'], COUNCILS.near(1)],
  ['St Helans', ['St. Helens Borough Council'], COUNCILS.near(1)],
  ['Kensingston', ['Kensington and Chelsea'], COUNCILS.near(1)],
  ['kensignton & chelsae', ['Kensington and Chelsea'], COUNCILS.near(1)],
  ['Kenst', ['Kensington and Chelsea', 'Kent County Council'], COUNCILS.near(2)],
  ['zzz', [], COUNCILS.matches(0)],
];

let service: TestService;
let browser: Browser;

beforeAll(async () => {
  service = await startTestService({
    authorities: NAMES.map((name, i) => ({ code: `ZZ10${i}`, name })),
  });
  if (hasBrowser) browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  await service?.stopAndRemove();
});

/** The councils that a page without scripts shows. */
const shownOn = ({ text }: Visit): string[] =>
  [...text.matchAll(/<li class="cpf-council" data-council>\s*<h3[^>]*><bdi>([^<]*)/g)].map(
    ([, name = '']) => name,
  );

test.for(TYPED)(
  'without a script, “%s” finds the councils that are meant, also if it is misspelt',
  async ([typed, names, says]) => {
    const visitor = createVisitor(service.baseUrl);
    const page = await visitor.get(`/councils?name=${encodeURIComponent(typed)}`);
    expect(shownOn(page)).toEqual(names);
    expect(wordsOf(page)).toContain(says);
    expect(page.text).toContain(` name="name" type="search"`);
    expect(shownOn(await visitor.get('/councils'))).toEqual(NAMES);
  },
);

test('a name of any length or in any script is searched for at once, and is only text on the page', async () => {
  const visitor = createVisitor(service.baseUrl);
  for (const typed of ['<b>"x', 'a'.repeat(5_000), 'ا'.repeat(300), '%E0%A4%A', ' ', '.']) {
    const page = await visitor.get(
      `/councils?name=${typed.startsWith('%') ? typed : encodeURIComponent(typed)}`,
    );
    expect(page.status).toBe(200);
    expect(page.text).not.toContain('<b>"x');
  }
});

test('a word much longer than any name is compared with none letter by letter, since anybody may send one', () => {
  const compared = vi.spyOn(Array, 'from');
  expect(findCouncils(NAMES, '\uac01'.repeat(100))).toMatchObject({ isNear: false });
  expect(compared).not.toHaveBeenCalled();
  expect(findCouncils(NAMES, 'Brimingham')).toMatchObject({ isNear: true });
  expect(compared).toHaveBeenCalled();
  compared.mockRestore();
});

test.for([
  ['emergencyDepartment', FRAME.lookUp, '/look-up'],
  ['authority', DESKS.council.name, '/'],
  ['operations', DESKS.operator.name, '/'],
] as const)(
  'a page that needs no sign-in still says to %s who is signed in, and leads back and out',
  async ([person, text, href]) => {
    const visitor = await signedIn(service, person);
    for (const [path, title] of [
      ['/councils', COUNCILS.title],
      ['/accessibility', ACCESSIBILITY.title],
    ] as const) {
      const page = await visitor.get(path);
      expect(wordsOf(page)).toContain(LOOK_UP.youAre);
      expect(page.text).toContain(`<a class="nhsuk-link" href="${href}">${text}</a>`);
      expect(page.text).toContain(`href="${path}" aria-current="page">${title}</a>`);
      expect(page.text).toContain(FRAME.signOut);
      // It is no use of the session.
      expect(page.headers.getSetCookie()).toEqual([]);
    }
    await visitor.send('/sign-out', {}, '/councils');
    expect(wordsOf(await visitor.get('/councils'))).not.toContain(LOOK_UP.youAre);
  },
);

test.skipIf(!hasBrowser)('with a script, the same is found as without', async () => {
  const { page, complaints, close } = await openPage(browser);
  await goTo(page, `${service.baseUrl}/councils`);
  expect(await page.getByRole('button', { name: COUNCILS.find }).count()).toBe(0);
  for (const [typed, names, says] of TYPED) {
    await page.getByLabel(COUNCILS.filter).fill(typed);
    expect(await page.getByRole('status').innerText()).toBe(says);
    expect(await page.locator('[data-council]:visible h3').allInnerTexts()).toEqual(names);
    await page.keyboard.press('Enter');
    expect(new URL(page.url()).search).toBe('');
  }
  await expectAccessible(page);
  expect(complaints).toEqual([]);
  await close();
});

test.skipIf(!hasBrowser)(
  'who is signed in leaves the list of councils when the session ends in another tab, and the numbers stay',
  async () => {
    const { page, complaints, close } = await openPage(browser);
    await signInAs(page, service.baseUrl);
    await goTo(page, `${service.baseUrl}/councils`);
    const who = page.getByText(LOOK_UP.youAre);
    await who.waitFor();
    // The way back is not folded away on a small screen.
    await page.setViewportSize({ width: 320, height: 640 });
    expect(await page.getByRole('link', { name: FRAME.lookUp }).isVisible()).toBe(true);
    await expectAccessible(page);
    const other = await page.context().newPage();
    await goTo(other, `${service.baseUrl}/look-up`);
    await other.getByRole('button', { name: FRAME.signOut }).click();
    await who.waitFor({ state: 'detached' });
    expect(await page.getByText('020\u00a07946\u00a00199').first().isVisible()).toBe(true);
    expect(complaints).toEqual([]);
    await close();
  },
);
