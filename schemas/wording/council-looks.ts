import type { ATTENDANCES } from '../attendance.ts';

/** What a council reads about those who looked at its children. */
export const LOOKS = {
  title: 'Who looked at our children',
  lead: 'This page lists everybody in unscheduled care who was shown one of your plans, and attempts by users whom you bar, newest first. A look does not mean that the child attended. To find out, ring the organisation.',
  table: 'Looks, newest first',
  none: 'No looks at your children are listed.',
  noneOfChild: 'No looks at your plans for this child are listed.',
  /** @param since the time from which looks may be missing, `undefined` if none has been listed at all */
  missing: (since: string | undefined, again: string) =>
    `${since === undefined ? 'No looks are listed yet.' : `Looks since ${since} may be missing.`} Come back at ${again}.`,
  noMore: 'There are no earlier looks.',
  child: 'Local id or NHS number',
  childHint: 'As it is in your case system. For an unborn baby, enter the mother’s.',
  childMissing: 'Enter a local id or an NHS number',
  show: 'Show',
  all: 'Show all children',
  older: 'Earlier looks',
  newest: 'Back to the newest looks',
  download: 'Download all as CSV',
  downloadThese: 'Download these as CSV',
  kept: 'Looks are listed for as long as the team that runs this service keeps them. A download holds children’s NHS numbers. Keep it as safe as your case files.',
  columns: {
    when: 'When',
    child: 'Child',
    plan: 'Plan',
    who: 'Who',
    where: 'Where',
    why: 'Why',
    cameOf: 'What came of it',
  },
  times: (count: number, first: string) => `${count} times since ${first}`,
  nothingSaid: 'Not said',
  /** A user whom the council bars from the child. */
  barred: 'Barred: was told nothing',
  cameOf: {
    seen: 'The patient was seen',
    'left-before-seen': 'The patient left before being seen',
    admitted: 'The patient was admitted',
    transferred: 'The patient was transferred',
    'wrong-patient': 'The wrong patient was looked up',
  } satisfies Record<(typeof ATTENDANCES)[number], string>,
} as const;
