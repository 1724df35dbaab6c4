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

const COLUMNS = [
  'notification',
  'entry',
  'again',
  'local_id',
  'nhs_number',
  'plan_types',
  'file_sequence',
  'user_name',
  'user_id',
  'role',
  'role_code',
  'organisation',
  'organisation_code',
  'setting',
  'reason',
  'count',
  'first',
  'last',
  'remark',
  'checkpoint',
  'attended',
  'attended_at',
  'ward',
  'switchboard',
  'barred',
] as const;

const REMARK = COLUMNS.indexOf('remark');

/** Where the schema wants something, and there is nothing or it is kept back. */
const NOT_KNOWN = '-1';

/** On one line: cells of several lines are trouble in a CSV. */
const packed = (checkpoint: string): string => Buffer.from(checkpoint).toString('base64');

/** A notification in any of the formats. It holds NHS numbers: for its authority alone. */
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

/** Several notifications of one authority as one CSV: a line an entry, oldest first. */
export function notificationsCsv(notifications: readonly Notification[]): string {
  return csvText([COLUMNS, ...notifications.flatMap(lines)]);
}

const distinct = (values: readonly (string | number | undefined)[]): string =>
  [...new Set(values.filter((value) => value !== undefined))].join('; ');

/** What concerns the whole notification is in its first line, or in one of its own; the checkpoint in base 64. */
function lines({ id, entries, unreadableEvents, checkpoint }: Notification): (string | number)[][] {
  const remark = unreadableEvents === 0 ? '' : NOTIFICATION.unreadable(unreadableEvents);
  if (entries.length === 0) {
    return [
      [
        id,
        ...Array<string>(REMARK - 1).fill(''),
        remark || NOTIFICATION.nobody,
        packed(checkpoint),
        ...Array<string>(COLUMNS.length - REMARK - 2).fill(''),
      ],
    ];
  }
  return entries.map((entry, i) => [
    id,
    entry.id,
    entry.again ? 'yes' : '',
    distinct(entry.plans.map(({ localId }) => localId)),
    printedNhsNumber(entry.nhsNumber),
    distinct(entry.plans.map(({ type }) => PLAN_TYPES[type as PlanType]?.cpis ?? type)),
    newestFile(entry.plans) ?? '',
    entry.user.name,
    entry.user.id,
    entry.role.name,
    entry.role.code,
    entry.organisation.name,
    entry.organisation.code,
    entry.setting,
    entry.reason ?? '',
    entry.count,
    entry.first,
    entry.last,
    i === 0 ? remark : '',
    i === 0 ? packed(checkpoint) : '',
    ...cameOf(entry),
    entry.barred === true ? 'yes' : '',
  ]);
}

/** The outcome of an access, if the user recorded one. */
const cameOf = ({ attendance }: NotificationEntry): string[] => [
  attendance?.attended ?? '',
  attendance?.at ?? '',
  attendance?.ward ?? '',
  attendance?.switchboard ?? '',
];

/** If a child's plans came from several files, the number of the newest: it has all of them. */
function newestFile(plans: NotificationEntry['plans']): number | undefined {
  const sequences = plans.flatMap(({ sequence }) => (sequence === undefined ? [] : [sequence]));
  return sequences.length === 0 ? undefined : Math.max(...sequences);
}

/**
 * CP-IS Access to Service Notification, valid against REPC_MT000004GB01: of each entry the first access and,
 * where it is another, the last; the schema has no place for a count. The id of an access is its audit id.
 * An entry that is sent again has its last access only. The checkpoint is in a processing instruction,
 * in base 64.
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
  // Sent again only because of an attendance, for which the schema has no place.
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
