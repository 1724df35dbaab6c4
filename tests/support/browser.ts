import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { startServing } from './processes.ts';
import { testFolder } from './service.ts';
import { untilAnswered } from './until.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable'];

/** The system's browser, or `undefined` if there is none. */
function findBrowser(): string | undefined {
  for (const name of NAMES) {
    const { status, stdout } = spawnSync('which', [name], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  return undefined;
}

const executablePath = findBrowser();
/** If this is false, tests in a browser are skipped. */
export const hasBrowser = executablePath !== undefined;

const NO_BROWSER =
  'Chromium is not installed: the pages were not tried in a browser. Debian, Ubuntu: sudo apt-get install chromium.';
if (!hasBrowser) console.warn(NO_BROWSER);

/**
 * What is turned off in Chromium. The first are the ones that Playwright turns off, whose list this one replaces. The
 * last two are suggestions in the address bar: two pages for each window, which use more processor time than one of
 * ours.
 */
const TURNED_OFF = [
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsUpgrades',
  'HttpsFirstBalancedModeAutoEnable',
  'LensOverlay',
  'MediaRouter',
  'PaintHolding',
  'ThirdPartyStoragePartitioning',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'OptimizationHints',
  'NetworkTimeServiceQuerying',
  'AimEnabled',
  'PreconnectToSearch',
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
];

/** Whether the long tests run as well, as with `npm run test:pages`. */
export const triesAll = process.env['PAGES'] === 'all';

/**
 * Starts the system's Chromium without a window.
 *
 * @throws if there is none
 */
export async function startBrowser(): Promise<Browser> {
  if (executablePath === undefined) throw new Error(NO_BROWSER);
  return chromium.launch({
    executablePath,
    args: [
      `--disable-features=${TURNED_OFF.join(',')}`,
      // Chromium's own sandbox does not start as root.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ],
    // People's browsers keep whole pages for going back, even pages that must not be stored.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
}

/**
 * The demo that `npm start` shows and a browser for it, for the tests in one file.
 *
 * @param needed whether the file has such tests
 */
export function demoInBrowser(needed = hasBrowser): { browser: Browser; baseUrl: string } {
  const demo = {} as { browser: Browser; baseUrl: string };
  let service: Awaited<ReturnType<typeof startServing>> | undefined;
  let dataDir: string;
  beforeAll(async () => {
    if (!needed) return;
    dataDir = await testFolder();
    demo.browser = await startBrowser();
    service = await startServing(['--demo'], { DATA_DIR: dataDir });
    demo.baseUrl = service.baseUrl;
  });
  afterAll(async () => {
    if (!needed) return;
    await demo.browser?.close();
    await service?.stop();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  });
  return demo;
}

/** A separate browser for one person, with its complaints: errors and anything that a policy has forbidden. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[]; close: () => Promise<void> }> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of (?:4|5)\d\d/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return { page, complaints, close: () => context.close() };
}

/**
 * Opens an address. If its page cannot be shown at the moment, it is opened again, as a person would do.
 *
 * @returns the status of the page
 */
export const goTo = (page: Page, address: string): Promise<{ status: number }> =>
  untilAnswered(
    async () => ({ status: (await page.goto(address))?.status() ?? 200 }),
    `${address} to be shown`,
  );

/** Anything that extends beyond an edge of its container, or for a page, beyond the edge of the window. */
const BEYOND = `[...document.querySelectorAll('html, main *')].flatMap((each) => {
  const scrolls = ['auto', 'scroll'].includes(getComputedStyle(each).overflowX);
  return (scrolls || each === document.documentElement) && each.scrollWidth > each.clientWidth
    ? [each.getAttribute('aria-label') ?? each.tagName]
    : [];
})`;

/** Expects that nobody has to scroll a page or part of it sideways. */
export async function expectFits(page: Page): Promise<void> {
  const at = page.url();
  expect({ at, beyond: await page.evaluate(BEYOND) }).toEqual({ at, beyond: [] });
}

/**
 * Expects that the main content of a desk's page begins on the first screen, and that the first key press skips to it.
 */
export async function expectHeadingInSight(page: Page): Promise<void> {
  const at = page.url();
  const { top, first } = await page.evaluate<{ top: number; first: string | null }>(`({
    top: (document.querySelector('h1').getBoundingClientRect().top + scrollY) / innerHeight,
    first: document.querySelector('a, button, summary, input:not([type="hidden"])').getAttribute('href'),
  })`);
  expect({ at, first }).toEqual({ at, first: '#main' });
  expect(top, at).toBeLessThan(0.67);
}

/** Expects no accessibility faults that a machine can find, and that the whole page fits a small screen. */
export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    .setLegacyMode()
    // For the other results, one place each is enough.
    .options({ resultTypes: ['violations'] })
    .analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
  await expectFits(page);
}

/** Opens everything that is folded away, except the list of pages. */
export const unfold = (page: Page): Promise<unknown> =>
  page.evaluate(
    'for (const each of document.querySelectorAll("main details:not(.cpf-menu)")) each.open = true',
  );
