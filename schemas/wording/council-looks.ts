import type { ATTENDANCES } from '../attendance.ts';

/** What a council reads of those who looked at its children. */
export const LOOKS = {
  title: 'Who looked at our children',
  lead: 'Every look from unscheduled care that was shown one of your plans, the newest first. A look says that somebody looked, not that the child attended: ring the organisation.',
  table: 'Looks, the newest first',
  none: 'No look at one of your children is listed.',
  noneOfChild: 'No look from unscheduled care at a plan of yours for this child is listed.',
  /** @param since the time from which on looks may be missing, `undefined` where none has been listed at all */
  missing: (since: string | undefined, again: string) =>
    `${since === undefined ? 'No looks are listed yet.' : `Looks since ${since} may be missing.`} Look again at ${again}.`,
  noMore: 'There are no earlier looks.',
  find: 'Find the looks at one child',
  child: 'Local id or NHS number',
  childHint: 'As your case system has it. For an unborn baby, the mother’s.',
  childMissing: 'Enter a local id or an NHS number',
  show: 'Show',
  all: 'Show all children',
  older: 'Earlier looks',
  newest: 'Back to the newest',
  download: 'Download all as CSV',
  downloadThese: 'Download these as CSV',
  kept: 'Notifications are kept for as long as the operator has set. What you download holds children’s numbers: keep it as you keep your case files.',
  columns: ['When', 'Child', 'Plan', 'Who', 'Where', 'Why', 'What came of it'],
  times: (count: number, first: string) => `${count} times since ${first}`,
  nothingSaid: 'Not said',
  cameOf: {
    seen: 'The child was seen',
    'left-before-seen': 'The child left before being seen',
    admitted: 'The child was admitted',
    transferred: 'The child was transferred',
    'wrong-patient': 'The wrong patient was looked up',
  } satisfies Record<(typeof ATTENDANCES)[number], string>,
} as const;
