import { expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '#schemas/errors.ts';
import { NOT_A_NO, NOT_CHECKED } from '#schemas/wording/pages.ts';
import { readAssets } from '#service/pages/html/assets.ts';
import { createFrame } from '#service/pages/html/frame.ts';
import { html } from '#service/pages/html/html.ts';
import { ANSWER_HIDDEN } from '#service/pages/look-up/signed-in.ts';
import { refusedPage } from '#service/pages/sign-in/refused.ts';
import { nurseSession, signedInPages } from '../../support/nurse-session.ts';
import { testNumber } from '../../support/rows.ts';

/** A nurse must not mistake anything shown instead of an answer for an answer. */

const at = Date.now();
const session = nurseSession(at);

let endsAt = at + 3_600_000;
const { notChecked, hides } = signedInPages(at, () => endsAt);

test.for(Object.keys(ERRORS) as ErrorCode[])(
  'a look refused with %s is not mistaken for a “no”',
  (code) => {
    const content = String(notChecked(session, code, { typed: {} }).content);
    expect(content).toContain(NOT_A_NO);
    expect(content).toContain('href="/councils"');
    expect(content).not.toContain('<bdi></bdi>');
  },
);

test('a page that offers to try again says when it was tried, to the second', () => {
  const request = { nhsNumber: testNumber(7_951) };
  const asked = [{ typed: {} }, { typed: {}, request }, { list: request.nhsNumber }];
  const offering = (Object.keys(ERRORS) as ErrorCode[]).flatMap((code) =>
    asked
      .map((each) => String(notChecked(session, code, each).content))
      .filter((content) => content.includes(NOT_CHECKED.again)),
  );
  expect(offering.length).toBeGreaterThan(asked.length);
  for (const content of offering) {
    expect(content.match(/Tried at [0-9]{2}:[0-9]{2}:[0-9]{2}/g)).toHaveLength(1);
  }
});

test('nothing about a child is shown after the session ends, and each time limit has its own style', async () => {
  const assets = readAssets();
  const style = String(assets.find(assets.styles.at(-1)?.split('/').at(-1) ?? '')?.bytes);
  const frame = createFrame(assets, () => false);
  const request = { nhsNumber: testNumber(7_951) };
  const left = [3_600_000, 119_001, 45_000, 9_000, 0, -1_000];
  const shown: (string | null)[] = [];
  for (const ms of left) {
    endsAt = at + ms;
    const pages = [
      notChecked(session, 'could-not-check', { typed: {}, request }),
      { title: 'Result', content: html``, ...hides(session, ANSWER_HIDDEN) },
    ];
    for (const page of pages) {
      const response = frame(page);
      const [seconds] = (response.headers.get('refresh') ?? '').split(';');
      expect(await response.text()).toContain(
        `cpf-hides--${seconds}" data-hide-after-seconds="${seconds}"`,
      );
      expect(style).toContain(`.cpf-hides--${seconds}{--cpf-hides-after:${seconds}s}`);
      shown.push(seconds ?? null);
    }
  }
  expect(shown).toEqual([120, 120, 45, 9, 1, 1].flatMap((each) => [`${each}`, `${each}`]));
});

test('somebody blocked while signing in is also told to ask a colleague to check, and not that the operator blocked them', () => {
  const content = String(refusedPage('blocked', 'NHS Care Identity', session).content);
  expect(content).toContain(NOT_A_NO);
  expect(content).toContain('ask a colleague to check now');
  expect(content).not.toContain('organisation that runs');
});
