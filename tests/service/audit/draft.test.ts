import { expect, test } from 'vitest';
import { EVENT_TYPES } from '#schemas/wording/events.ts';
import { childDraft } from '../../../service/audit/search/draft.ts';
import type { ReportOptions } from '../../../service/audit/search/report.ts';
import type { Found } from '../../../service/audit/search/search.ts';

const at = '2026-11-27T09:00:00.000Z';
const AS_ASKED: ReportOptions = {
  criteria: {},
  least: 1,
  names: false,
  places: false,
  silentReads: false,
  searches: false,
  viewer: { kind: 'all' },
};

const eventOf = (type: string): Found => {
  const event = { type, at, code: 'user-blocked', attended: 'seen', access: 'unscheduled' };
  return { index: 0, event, shown: event } as unknown as Found;
};

/** The kinds of events that get a line in a draft. */
const linesOf = (options: ReportOptions): string[] =>
  EVENT_TYPES.filter((type) => Array.isArray(childDraft.row(eventOf(type), options)));

test('a draft has one line for each time that people learnt about the child, and none for other events', () => {
  const accesses = ['attendance', 'could-not-check', 'lookup', 'refusal'];
  expect(linesOf(AS_ASKED).toSorted()).toEqual(accesses);
  expect(linesOf({ ...AS_ASKED, names: true, places: true, silentReads: true }).toSorted()).toEqual(
    accesses,
  );
  expect(linesOf({ ...AS_ASKED, searches: true }).toSorted()).toEqual(
    [...accesses, 'audit-search'].toSorted(),
  );
});
