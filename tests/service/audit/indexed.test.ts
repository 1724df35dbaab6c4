import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  auditEventSchema,
  operatorEventSchema,
  type WrittenEvent,
} from '#schemas/audit/audit-event.ts';
import { indexed } from '#service/audit/search/indexed.ts';
import { testNumber } from '../../support/rows.ts';

const AUTHORITY = 'ZZ101';

type OfOneAuthority = Extract<WrittenEvent, { authority: unknown }>;

const caller = {
  issuer: 'https://a.example',
  client: 'client',
  user: 'officer-1',
  name: 'Olive Officer',
  role: { code: 'R0001', name: 'Data officer' },
  organisation: { code: AUTHORITY, name: 'Example Council' },
};
const ids = { auditId: randomUUID(), authority: AUTHORITY, by: 'A. Guardian' };
const nhsNumber = testNumber(7_001);

/**
 * One event of each kind that names its authority. A kind added to the schema does not compile until it has one here.
 */
const EVENTS: { [Type in OfOneAuthority['type']]: Extract<OfOneAuthority, { type: Type }> } = {
  load: {
    ...ids,
    type: 'load',
    sequence: 1,
    sha256: 'ab',
    code: 'CPF02',
    accepted: 1,
    refused: 0,
  },
  'holdings-read': { ...ids, type: 'holdings-read' },
  'upload-previewed': { ...ids, type: 'upload-previewed', caller, sha256: 'ab', sizeBytes: 1 },
  'notifications-read': { ...ids, type: 'notifications-read', caller, upTo: 'x', count: 1 },
  withdrawal: {
    ...ids,
    type: 'withdrawal',
    act: 'asked',
    withdrawal: 'w',
    nhsNumber,
    plan: { type: 'child-protection-plan', startDate: '2026-01-05' },
  },
  restriction: {
    ...ids,
    type: 'restriction',
    act: 'set',
    restriction: 'r',
    kind: 'whereabouts',
    nhsNumber,
    reason: 'why',
  },
};

const placed = (event: WrittenEvent) =>
  auditEventSchema.parse({ ...event, partition: 'system', number: 1, at: Date.now() });

describe('an event that names one authority is found by that authority', () => {
  test.each(Object.values(EVENTS))('$type', (event) => {
    expect(indexed(placed(event)).authorities).toEqual([AUTHORITY]);
  });

  test.each(operatorEventSchema.shape.type.options)('%s, in its details', (type) => {
    const { auditId, by } = ids;
    const event = { type, auditId, by, detail: { authority: AUTHORITY, reason: 'why' } };
    expect(indexed(placed(event)).authorities).toEqual([AUTHORITY]);
    expect(indexed(placed({ ...event, detail: { reason: 'why' } })).authorities).toEqual([]);
  });
});
