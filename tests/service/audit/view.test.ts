import { expect, test } from 'vitest';
import type { AuditEvent } from '#schemas/audit/audit-event.ts';
import { isKeptFrom, type Viewer, viewOf } from '#service/audit/search/view.ts';
import { testNumber } from '../../support/rows.ts';

/** A lookup that showed plans from two authorities, as the log has it. */
const lookup = (access: 'unscheduled' | 'silent-read', type = 'lookup') =>
  ({
    type,
    access,
    at: Date.parse('2026-11-24T03:00:00Z'),
    auditId: '7a3e8f0e-9a55-4f0e-8b61-1c1d2f0f9f10',
    setting: 'emergency-department',
    nhsNumber: testNumber(1),
    outcome: 'flagged',
    caller: {
      issuer: 'https://id.example',
      client: 'client',
      user: 'user',
      name: 'Nora Nurse',
      role: { code: 'R1', name: 'Nurse' },
      organisation: { code: 'ZZH01', name: 'Hospital' },
    },
    shown: [
      { authority: 'ZZ101', type: 'child-protection-plan', startDate: '2026-01-01' },
      { authority: 'ZZ202', type: 'looked-after-child', startDate: '2026-02-02' },
    ],
    sources: [
      { localId: 'L-1', sequence: 4 },
      { localId: 'L-2', sequence: 7 },
    ],
  }) as unknown as AuditEvent;

const authority = (code: string): Viewer => ({ kind: 'authority', authority: code });

test('an authority sees its own plan in an access, and nothing of another authority’s', () => {
  const seen = viewOf(authority('ZZ101'), lookup('unscheduled'), 3);
  expect(seen?.['shown']).toEqual([
    {
      authority: 'ZZ101',
      type: 'child-protection-plan',
      startDate: '2026-01-01',
      localId: 'L-1',
    },
  ]);
  expect(JSON.stringify(seen)).not.toMatch(/ZZ202|L-2|2026-02-02/);
});

test.each([
  ['a silent read', lookup('silent-read'), 'ZZ101'],
  ['an access that showed only other authorities’ plans', lookup('unscheduled'), 'ZZ303'],
  ['a check that was not delivered', lookup('unscheduled', 'not-delivered'), 'ZZ101'],
])('an authority sees nothing of %s, whatever an index says', (_, event, code) => {
  expect(viewOf(authority(code), event, 3)).toBeUndefined();
});

test('an organisation sees its own people’s lookups without plan details, and nobody else’s', () => {
  const own: Viewer = { kind: 'organisation', organisation: 'ZZH01' };
  const seen = viewOf(own, lookup('unscheduled'), 3);
  expect(seen).toMatchObject({ outcome: 'flagged', nhsNumber: testNumber(1) });
  expect(JSON.stringify(seen)).not.toMatch(/L-1|L-2|ZZ101|ZZ202|looked-after|2026-01-01/);
  const other: Viewer = { kind: 'organisation', organisation: 'ZZH02' };
  expect(viewOf(other, lookup('unscheduled'), 3)).toBeUndefined();
});

test('an organisation does not learn which councils bar its user or protect the child', () => {
  const attempt = {
    ...lookup('unscheduled', 'could-not-check'),
    shown: undefined,
    sources: undefined,
    barredBy: ['ZZ101'],
    protectedBy: ['ZZ202'],
    whereaboutsOf: ['ZZ202'],
  } as unknown as AuditEvent;
  const seen = viewOf({ kind: 'organisation', organisation: 'ZZH01' }, attempt, 3);
  expect(seen).toMatchObject({ type: 'could-not-check', nhsNumber: testNumber(1) });
  expect(JSON.stringify(seen)).not.toMatch(/ZZ101|ZZ202/);
});

test.each([
  ['as the look says, whichever act was recorded first', ['B', 'A'], ['A', 'B'], 'B'],
  ['by a recorded act that has not taken effect yet', ['B'], ['A', 'B'], 'B'],
  ['by the acts alone if the look knows of none', [], ['A', 'B'], 'A'],
  ['as the look says if its council has ended it and another protects', ['A'], ['B'], 'A'],
  ['as the look says if all have ended it', ['A', 'B'], [], 'A'],
])('if several councils protect a child, the place goes %s', (_, own, kept, told) => {
  expect(['A', 'B', 'C'].filter((each) => !isKeptFrom(each, own, kept))).toEqual([told]);
});
