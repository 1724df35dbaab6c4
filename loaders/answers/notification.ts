import type { Notification, NotificationEntry, NotificationFormat } from '#schemas/notification.ts';
import { PLAN_TYPES, type PlanType } from '#schemas/plans/plan.ts';
import { NOTIFICATION } from '#schemas/wording/answers.ts';
import { csvText } from '../formats/common/csv-text.ts';
import { printedNhsNumber } from './notice.ts';
import {
  contentId,
  element,
  intendedRecipient,
  OIDS,
  spineDocument,
  spineTime,
  xmlText,
} from './xml.ts';

/** What a CSV, and the page of its authority, show about a look, by column. */
const LOOK_COLUMNS = {
  entry: ({ id }) => id,
  again: ({ again }) => (again ? 'yes' : ''),
  local_id: ({ plans }) => distinct(plans.map(({ localId }) => localId)),
  nhs_number: ({ nhsNumber }) => printedNhsNumber(nhsNumber),
  plan_types: ({ plans }) =>
    distinct(plans.map(({ type }) => PLAN_TYPES[type as PlanType]?.cpis ?? type)),
  file_sequence: ({ plans }) => newestFile(plans) ?? '',
  user_name: ({ user }) => user.name,
  user_id: ({ user }) => user.id,
  role: ({ role }) => role.name,
  role_code: ({ role }) => role.code,
  organisation: ({ organisation }) => organisation.name,
  organisation_code: ({ organisation }) => organisation.code,
  setting: ({ setting }) => setting,
  reason: ({ reason = '' }) => reason,
  count: ({ count }) => count,
  first: ({ first }) => first,
  last: ({ last }) => last,
  attended: ({ attendance }) => attendance?.attended ?? '',
  attended_at: ({ attendance }) => attendance?.at ?? '',
  ward: ({ attendance }) => attendance?.ward ?? '',
  switchboard: ({ attendance }) => attendance?.switchboard ?? '',
  barred: ({ barred = false }) => (barred ? 'yes' : ''),
} satisfies Record<string, (entry: NotificationEntry) => string | number>;
export type LookColumn = keyof typeof LOOK_COLUMNS;
/** The columns of a look, in the order of a CSV. */
export const lookColumns = Object.keys(LOOK_COLUMNS) as LookColumn[];

/** Fields of the whole notification follow the times of the look in its line. */
const BEFORE_REMARK = lookColumns.indexOf('last') + 1;
const COLUMNS = [
  'notification',
  ...lookColumns.slice(0, BEFORE_REMARK),
  'remark',
  'checkpoint',
  ...lookColumns.slice(BEFORE_REMARK),
];

/** Used if the schema requires something that is absent or kept back. */
const NOT_KNOWN = '-1';

/** On one line: cells of several lines are trouble in a CSV. */
const packed = (checkpoint: string): string => Buffer.from(checkpoint).toString('base64');

/** A notification in any of the formats. It holds NHS numbers, so it is only for its authority. */
export function formatNotification(notification: Notification, format: NotificationFormat): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(notification, null, 2)}\n`;
    case 'csv':
      return notificationsCsv([notification]);
    case 'xml':
      return notificationXml(notification);
  }
}

/** Several notifications of one authority as one CSV: a line for each entry, oldest first. */
export function notificationsCsv(notifications: readonly Notification[]): string {
  return csvText([COLUMNS, ...notifications.flatMap(lines)]);
}

const distinct = (values: readonly (string | number | undefined)[]): string =>
  [...new Set(values.filter((value) => value !== undefined))].join('; ');

/** The same columns for looks that are in no notification yet. */
export const looksCsv = (entries: readonly NotificationEntry[]): string =>
  csvText([
    COLUMNS,
    ...entries.map((entry) => line({ entry, remark: NOTIFICATION.notYet, checkpoint: '' })),
  ]);

type Line = {
  id?: string;
  entry?: NotificationEntry;
  remark: string;
  checkpoint: string;
};

function line({ id = '', entry, remark, checkpoint }: Line): (string | number)[] {
  const cells = lookColumns.map((name) => (entry === undefined ? '' : LOOK_COLUMNS[name](entry)));
  return [
    id,
    ...cells.slice(0, BEFORE_REMARK),
    remark,
    packed(checkpoint),
    ...cells.slice(BEFORE_REMARK),
  ];
}

/** What concerns the whole notification is in its first line, or in a line of its own; the checkpoint in base 64. */
function lines({ id, entries, unreadableEvents, checkpoint }: Notification): (string | number)[][] {
  const remark = unreadableEvents === 0 ? '' : NOTIFICATION.unreadable(unreadableEvents);
  if (entries.length === 0) {
    return [line({ id, remark: remark || NOTIFICATION.nobody, checkpoint })];
  }
  return entries.map((entry, i) =>
    line(i === 0 ? { id, entry, remark, checkpoint } : { id, entry, remark: '', checkpoint: '' }),
  );
}

/** If a child's plans came from several files, the number of the newest, which has all of them. */
function newestFile(plans: NotificationEntry['plans']): number | undefined {
  const sequences = plans.flatMap(({ sequence }) => (sequence === undefined ? [] : [sequence]));
  return sequences.length === 0 ? undefined : Math.max(...sequences);
}

/**
 * CP-IS Access to Service Notification, valid against REPC_MT000004GB01: for each entry the first access and,
 * if different, the last; the schema has no place for a count. The id of an access is its audit id. An entry
 * that is sent again has its last access only. The checkpoint is in a processing instruction, in base 64.
 */
function notificationXml(notification: Notification): string {
  const { uuid, createdAt, authority, entries, checkpoint } = notification;
  const accesses = entries.flatMap((entry) => recordAccesses(entry, authority.code));
  return spineDocument(
    'CP-ISAccessToServiceNotification',
    `<?cp-flags-checkpoint ${packed(checkpoint)}?>`,
    element('effectiveTime', { value: spineTime(createdAt) }),
    element('id', { root: uuid.toUpperCase() }),
    element(
      'pertinentInformation',
      {},
      element('pertinentTotalReturnedRecords', {}, element('value', { value: accesses.length })),
    ),
    ...accesses.map((access) => element('pertinentInformation1', {}, access)),
    intendedRecipient(authority),
  );
}

/** One for each of the authority's own identifiers: a mother on a plan of her own may have two. */
function recordAccesses(entry: NotificationEntry, authority: string): string[] {
  const localIds = new Set(entry.plans.map(({ localId }) => localId));
  const told = [
    ...(entry.again ? [] : [{ id: entry.id, at: entry.first }]),
    ...(entry.lastId === entry.id ? [] : [{ id: entry.lastId, at: entry.last }]),
  ];
  // Sent again only because of an outcome, for which the schema has no place.
  if (told.length === 0) return [];
  return [...localIds].map((localId) => {
    const plans = entry.plans.filter((plan) => plan.localId === localId);
    return element(
      'pertinentCP-ISRecordAccess',
      {},
      told.map(({ id, at }) =>
        element('pertinentInformation2', {}, query(entry, { id, at, localId, authority })),
      ),
      element(
        'reference',
        {},
        element(
          'referredToLAUploadFile',
          {},
          element('value', { extension: newestFile(plans) ?? NOT_KNOWN }),
        ),
      ),
    );
  });
}

function query(
  { nhsNumber, user, role, organisation }: NotificationEntry,
  access: { id: string; at: string; localId: string | undefined; authority: string },
): string {
  const author = 'COCT_TP145102GB01.AssignedAuthor';
  const local = { root: OIDS.localId, assigningAuthorityName: access.authority };
  return element(
    'pertinentCP-ISNHSQuery',
    {},
    element('effectiveTime', { value: spineTime(access.at) }),
    element('id', { root: access.id.toUpperCase() }),
    element(
      'author',
      {},
      contentId(author),
      element(
        author,
        {},
        element('code', { code: role.code, codeSystem: OIDS.jobRole, displayName: role.name }),
        element('id', { root: OIDS.user, extension: user.id || NOT_KNOWN }),
        element('assignedAuthorPerson', {}, element('name', {}, xmlText(user.name))),
        element(
          'representedOrganization',
          {},
          element('id', { root: OIDS.organisation, extension: organisation.code || NOT_KNOWN }),
          element('name', {}, xmlText(organisation.name)),
        ),
      ),
    ),
    element(
      'queryByParameter',
      {},
      element(
        'person.id',
        {},
        element('value', { root: OIDS.nhsNumber, extension: nhsNumber }),
        access.localId === undefined
          ? []
          : element('value', { ...local, extension: access.localId }),
      ),
    ),
  );
}
