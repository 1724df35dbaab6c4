import type { AttendanceEvent } from '#schemas/audit/audit-event.ts';
import { londonIso } from '#schemas/calendar.ts';
import { sortableTimeText } from '#schemas/wording/times.ts';
import type { ShownEvent } from './view.ts';

export type Cell = string | number;

const UTC_INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$/;

/** Characters that would move a terminal's cursor, or hide a line. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

export const isInstant = (cell: Cell): cell is string =>
  typeof cell === 'string' && UTC_INSTANT.test(cell);

/** As a person reads it in a command's table. */
export const shownCell = (cell: Cell): string =>
  isInstant(cell) ? sortableTimeText(cell) : String(cell).replaceAll(UNPRINTABLE, '?');

/** As a program reads it: London times with their offset. */
export const withOffset = (cell: Cell): Cell =>
  isInstant(cell) ? londonIso(Date.parse(cell)) : cell;

/** A text or a number inside an event; empty if there is none. */
export const textAt = (of: unknown, ...path: string[]): string => {
  let value = of;
  for (const name of path) {
    value =
      typeof value === 'object' && value !== null
        ? (value as Record<string, unknown>)[name]
        : undefined;
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
};

const ATTENDED: Record<AttendanceEvent['attended'], string> = {
  seen: 'seen',
  'left-before-seen': 'left before being seen',
  admitted: 'admitted',
  transferred: 'transferred',
  'wrong-patient': 'wrong patient',
};

/** The outcome of a look, and where the child is. */
export const attendedOf = ({
  attended,
  ward,
  switchboard,
}: Pick<AttendanceEvent, 'attended' | 'ward' | 'switchboard'>): string =>
  [ATTENDED[attended], ward, switchboard && `telephone ${switchboard}`]
    .filter((part) => part !== undefined && part !== '')
    .join(', ');

/** What a search shows of each event. */
export const SEARCH_COLUMNS = [
  'time',
  'event',
  'outcome',
  'activity',
  'nhs number',
  'user',
  'name',
  'role',
  'organisation',
  'delivered',
  'entry',
  'audit id',
];

const isAttendance = (shown: ShownEvent): shown is ShownEvent & AttendanceEvent =>
  shown.type === 'attendance';

/** Which blocks of a user an event begins, ends or leaves: `block bcdfghjk`. */
function blocksOf(shown: ShownEvent): string {
  const ids = textAt(shown, 'detail', 'blocks');
  return ids === '' ? '' : `${ids.includes(',') ? 'blocks' : 'block'} ${ids}`;
}

/** The cells of {@link SEARCH_COLUMNS}, limited to what the viewer may see. */
export const searchRow = (shown: ShownEvent): Cell[] => [
  shown.at,
  shown.type,
  isAttendance(shown)
    ? attendedOf(shown)
    : textAt(shown, 'outcome') ||
      textAt(shown, 'code') ||
      textAt(shown, 'cause') ||
      textAt(shown, 'step') ||
      blocksOf(shown),
  textAt(shown, 'access'),
  textAt(shown, 'nhsNumber') || textAt(shown, 'criteria', 'nhsNumber'),
  textAt(shown, 'caller', 'user'),
  textAt(shown, 'caller', 'name') || textAt(shown, 'by'),
  textAt(shown, 'caller', 'role', 'name'),
  textAt(shown, 'caller', 'organisation', 'code'),
  shown['delivered'] === false ? 'no' : '',
  textAt(shown, 'entry'),
  textAt(shown, 'auditId'),
];
