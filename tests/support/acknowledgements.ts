import { type Notification, notificationSchema } from '#schemas/notification.ts';
import {
  type Acknowledgement,
  acknowledgementSchema,
  fileCodes,
  recordCodes,
} from '#schemas/uploads/acknowledgement.ts';
import {
  type InactiveNumbersNotice,
  inactiveNumbersNoticeSchema,
} from '#schemas/uploads/notice.ts';
import { FILE_CODES, RECORD_CODES } from '#schemas/wording/answers.ts';
import { testNumber } from './rows.ts';

/** An acknowledgement of a Spine XML file with a refused record and one with a remark, with given changes. */
export function acknowledgement(differing: Partial<Acknowledgement> = {}): Acknowledgement {
  const code = differing.code ?? 'CPF03';
  return acknowledgementSchema.parse({
    file: {
      name: 'upload.xml',
      format: 'spine-xml',
      sha256: 'ab'.repeat(32),
      createdAt: '2026-11-23T21:30:00.000Z',
      receivedAt: '2026-11-24T06:00:00.000Z',
    },
    authority: {
      code: 'ZZ101',
      name: 'Test & Sons <Council>',
      officeHoursPhone: '02079460100',
      emergencyDutyTeamPhone: '+442079460199',
    },
    sequence: 412,
    code,
    meaning: FILE_CODES[code],
    authorityAdded: false,
    counts: { declared: 3, records: 3, accepted: 2, refused: 1 },
    rows: { added: 2, changed: 0, unchanged: 0, superseded: 0 },
    failures: [
      {
        code: 'CPR04',
        place: '/File/record[2]/CP-ISRecord/subject[1]/COCT_TP145101GB01.Child/id[1]/@extension',
        record: 2,
        field: 'nhs_number',
        localId: '=LA&2',
        hint: 'This is not an NHS number.',
      },
      {
        code: 'CPR07',
        place: '/File/record[2]',
        record: 2,
        field: 'start_date',
        localId: '=LA&2',
        hint: 'The "start" is <missing>.',
      },
    ],
    warnings: [
      { code, place: 'file', field: 'sequence', hint: 'File 411 has not been loaded.' },
      { code: 'CPR06', place: '/File/record[3]', record: 3, field: 'end_date', hint: 'Check it.' },
    ],
    omitted: { failures: 0, warnings: 0 },
    droppedColumns: [],
    dataAsOf: '2026-11-23T21:30:00.000Z',
    ...differing,
  });
}

/** One for every file code, every record code, and everything else that changes how an acknowledgement is written. */
export function everyAcknowledgement(): Record<string, Acknowledgement> {
  const [failure] = acknowledgement().failures;
  const finding = { ...failure, place: '/File/record[1]', record: 1, hint: 'Do this.' };
  return {
    ...Object.fromEntries(fileCodes.map((code) => [code, acknowledgement({ code })])),
    ...Object.fromEntries(
      recordCodes.map((code) => [
        code,
        acknowledgement({
          failures: [{ ...finding, code, hint: RECORD_CODES[code] }],
        }),
      ]),
    ),
    unreadable: acknowledgement({
      code: 'CPF01',
      authority: undefined,
      sequence: -1,
      counts: { records: 0, accepted: 0, refused: 0 },
      failures: [{ code: 'CPF01', place: 'line 1', hint: 'The file is empty.' }],
      warnings: [],
    }),
    'without-findings': acknowledgement({ code: 'CPF02', failures: [], warnings: [] }),
    'without-phones': acknowledgement({ authority: { code: 'ZZ101' } }),
    held: acknowledgement({
      held: {
        id: 'k7',
        since: '2026-11-24T06:00:00.000Z',
        whole: false,
        records: 1,
        rows: 1,
        leftOut: 0,
      },
    }),
    echoed: acknowledgement({
      echo: [
        {
          record: 2,
          plans: [
            { type: 'child-protection-plan', startDate: '2026-09-14', deleteDate: '2026-10-01' },
            { type: 'looked-after-child', startDate: '2026-09-14', endDate: '2026-10-01' },
            {
              type: 'unborn-child-protection-plan',
              startDate: '2026-09-14',
              endDate: '2026-12-24',
            },
          ],
          people: [
            {
              kind: 'child',
              nhsNumber: '9990000019',
              localId: '=LA&2',
              dateOfBirth: '2019-03-05',
            },
            { kind: 'mother', nhsNumber: testNumber(3), dateOfBirth: '1998-09-11' },
          ],
        },
      ],
    }),
  };
}

export function notice(differing: Partial<InactiveNumbersNotice> = {}): InactiveNumbersNotice {
  return inactiveNumbersNoticeSchema.parse({
    id: '0f8fad5b-d9cb-469f-a165-70867728950e',
    createdAt: '2026-11-24T06:00:00.000Z',
    authority: { code: 'ZZ101', name: 'Test & Sons <Council>' },
    sequence: 412,
    numbers: [
      { nhsNumber: testNumber(1), localId: '+LA"1', replacedBy: testNumber(2) },
      { nhsNumber: testNumber(3) },
    ],
    omitted: 0,
    ...differing,
  });
}

/** Notices that are each written differently. */
export function everyNotice(): Record<string, InactiveNumbersNotice> {
  return {
    both: notice(),
    nameless: notice({ authority: { code: 'ZZ101' } }),
    omitted: notice({ omitted: 3 }),
  };
}

const whole = {
  id: '7b7f5ed4-3f0e-4a5e-9a55-3a4c5c7e2f01',
  again: false,
  nhsNumber: testNumber(1),
  plans: [
    {
      type: 'child-protection-plan',
      startDate: '2026-09-14',
      status: 'current',
      localId: '=LA&"1',
      sequence: 412,
    },
  ],
  user: { id: '555021935107', name: 'Nora <Nurse>' },
  role: { code: 'S8000:G8000:R8001', name: 'Nurse & Midwife' },
  organisation: { code: 'RJ1', name: 'Example "Hospital"' },
  setting: 'emergency-department',
  reason: 'attendance',
  count: 1,
  first: '2026-11-24T09:00:00.000Z',
  last: '2026-11-24T09:00:00.000Z',
  lastId: '7b7f5ed4-3f0e-4a5e-9a55-3a4c5c7e2f01',
};

export function notification(entries: object[], differing: Partial<Notification> = {}) {
  return notificationSchema.parse({
    id: '000001204331.0000',
    uuid: '1f0e8f2a-7c1d-8b7e-9f53-0f5a1c2d3e4f',
    createdAt: '2026-11-24T09:15:00.000Z',
    authority: { code: 'ZZ101', name: 'Test & Sons <Council>' },
    entries: entries.map((entry) => ({ ...whole, ...entry })),
    unreadableEvents: 0,
    checkpoint: 'example.org/log\n1204331\nAAAA\n\n\u2014 example.org/log BBBB\n',
    ...differing,
  });
}

const later = { last: '2026-11-24T09:05:00.000Z', lastId: '0f8fad5b-d9cb-469f-a165-70867728950e' };

/** Notifications that are each written differently. */
export function everyNotification(): Record<string, Notification> {
  const [plan] = whole.plans;
  const mother = { ...plan, type: 'unborn-child-protection-plan', localId: 'M-1', sequence: 413 };
  return {
    one: notification([{}]),
    repeated: notification([
      { count: 2, ...later },
      { again: true, count: 9, ...later },
    ]),
    mother: notification([{ plans: [plan, mother] }]),
    sourceless: notification([{ plans: [{ ...plan, localId: undefined, sequence: undefined }] }]),
    empty: notification([]),
    unreadable: notification([], { unreadableEvents: 3 }),
  };
}
