import type { UnreadableEvent, WrittenEvent } from '../audit/audit-event.ts';

/**
 * What people call each kind of event. Files, commands and docs/audit.md use the identifiers, which pages
 * show beside the name.
 */
const EVENT_NAMES: Record<WrittenEvent['type'] | UnreadableEvent['type'], string> = {
  lookup: 'Lookup',
  'not-delivered': 'Answer not delivered',
  'could-not-check': 'Could not check',
  attendance: 'What came of a look',
  refusal: 'Request refused',
  'events-lost': 'Events lost',
  'enumeration-alert': 'Alert: a user may be trying numbers out',
  unreadable: 'Entry that cannot be read',
  'audit-search': 'Search of the audit, or report',
  'access-case': 'Step of a case',
  'audit-key-added': 'Audit key added',
  'audit-key-retired': 'Audit key retired',
  'audit-hold': 'Deletion of old events stopped',
  'audit-hold-ended': 'Deletion of old events allowed again',
  'audit-gap-accepted': 'Gap in the record accepted',
  'audit-pruned': 'Old events deleted',
  'audit-verified': 'Whole record verified',
  'user-blocked': 'User blocked',
  'user-unblocked': 'User unblocked',
  'user-remains-blocked': 'User remains blocked',
  load: 'File processed',
  'upload-previewed': 'Preview of a file opened',
  'hold-released': 'Held file released',
  'hold-discarded': 'Held file discarded',
  'sequence-reset': 'File numbering started again',
  'plans-confirmed': 'Plans of a council confirmed after a difference',
  'holdings-read': 'Plans held read or compared',
  withdrawal: 'Withdrawal of a flag',
  restriction: 'Protected whereabouts or barred user',
  'number-sensitive': 'Record made sensitive in PDS',
  'notifications-read': 'Notifications read',
  'notifications-resent': 'Notifications sent again',
  'mesh-resent': 'MESH message sent again',
  'mesh-dropped': 'MESH message given up',
  'authority-set': 'Council added or changed',
  'authority-removed': 'Council removed',
  'authorities-expected': 'List of expected councils set',
  'dataset-created': 'Dataset created',
  'dataset-confirmed': 'Another dataset confirmed',
  'configuration-start': 'Process started',
  'configuration-change': 'Registered organisations changed',
  'store-opened': 'Store opened',
  'store-repaired': 'Store repaired',
  purge: 'Plans that can never be shown again removed',
  'promotion-confirmed': 'Promoted replica confirmed',
  'old-copy-confirmed': 'Old copy of the data confirmed',
  'clock-confirmed': 'Clock that was put back confirmed',
  'event-missing': 'Event missing',
  'worker-took-over': 'Worker took over from another',
  'one-copy-ordered': 'Log allowed to continue with one copy',
  'one-copy-ended': 'Log back to two copies',
  'older-state-accepted': 'Older state of a worker accepted',
  'single-mode-ordered': 'Replicas no longer waited for',
  'single-mode-ended': 'Replicas waited for again',
  'replica-set-aside': 'Replica set aside',
  'replica-put-back': 'Replica put back',
};

type EventType = keyof typeof EVENT_NAMES;

const isNamed = (type: string): type is EventType => Object.hasOwn(EVENT_NAMES, type);

/** Every kind of event, by the names that people look them up by. */
export const EVENT_TYPES = Object.keys(EVENT_NAMES)
  .filter(isNamed)
  .toSorted((a, b) => EVENT_NAMES[a].localeCompare(EVENT_NAMES[b]));

/** The name of a kind of event; the identifier if a later version wrote it. */
export const eventName = (type: string): string => (isNamed(type) ? EVENT_NAMES[type] : type);

/** The name and the identifier. */
export const eventNameAndId = (type: string): string =>
  isNamed(type) ? `${EVENT_NAMES[type]} (${type})` : type;
