import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import type {
  Acknowledgement,
  EchoedRecord,
  FileCode,
  Finding,
  RecordCode,
} from '#schemas/uploads/acknowledgement.ts';
import { contentId, element, OIDS, spineDocument, spineTime, xmlText } from './xml.ts';

/** Source: CP-IS vocabulary, CP-ISUploadFileResponse. */
const FILE_NAMES: Record<FileCode, string> = {
  CPF01: 'File Level Error',
  CPF02: 'Successful File Upload',
  CPF03: 'Partial File Upload',
  CPF04: 'Unsuccessful File Upload',
  CPF05: 'PDS Error - PDS Unavailable',
  CPF06:
    'Spine ii rejected the request because this version of the CPIS Client is no longer supported',
};
/** Source: CP-IS vocabulary, CP-ISUploadRecordResponse 3.0; the spelling of the last is its own. */
const RECORD_NAMES: Record<RecordCode, string> = {
  CPR01: 'PDS Error - No Match Found for NHS Number',
  CPR02: 'PDS Error - NHS Number Matched, but Sensitive Record',
  CPR03: 'PDS Error - NHS Number not Verified',
  CPR04: 'PDS Error - NHS Number Format Incorrect',
  CPR05: 'PDS Error - NHS Number Verified, but Superseded',
  CPR06: 'Successful Record Upload',
  CPR07: 'Unsucessful Record Upload',
};

const UNREADABLE = '-1';
const UNKNOWN = 'unknown';

/**
 * An acknowledgement as case systems read it: `FileResponse`, valid against REPC_MT000003GB01.
 *
 * What is wrong is in `acknowledgementRecord`: code, XPath, and the hint as `originalText`; remarks on
 * accepted records are there under CPR06, and findings on the whole file only if part of it is held, since
 * case systems take that list for one of records. `message` repeats a refused record, only for an authority
 * that asked for it; names are no longer known and are marked as absent (`nullFlavor="NI"`).
 */
export function acknowledgementXml(acknowledgement: Acknowledgement): string {
  const { file, sequence, code, counts } = acknowledgement;
  const findings = [
    ...acknowledgement.failures,
    ...acknowledgement.warnings.filter(
      ({ record }) => record !== undefined || acknowledgement.held !== undefined,
    ),
  ];
  return spineDocument(
    'FileResponse',
    element('creationTime', { value: spineTime(file.receivedAt) }),
    element('id', { extension: sequence < 0 ? UNREADABLE : sequence }),
    element('transmissionQuantity', { value: counts.declared ?? UNREADABLE }),
    element(
      'acknowledgementFile',
      {},
      element(
        'acknowledgementFileDetail',
        {},
        element('code', { code, displayName: FILE_NAMES[code] }),
      ),
    ),
    ...(findings.length === 0 ? [] : [element('acknowledgementRecord', {}, findings.map(detail))]),
    receiver(acknowledgement),
    count('failedReturnedCP-ISRecords', counts.refused),
    ...(acknowledgement.echo ?? []).map((record) => message(record, acknowledgement)),
    count('successfulReturnedCP-ISRecords', counts.accepted),
  );
}

const count = (name: string, value: number): string =>
  element(name, {}, element('value', { value }));

function detail({ code, place, localId, hint }: Finding): string {
  const ofFile = code in FILE_NAMES;
  const text = localId === undefined ? hint : `Local id ${localId}: ${hint}`;
  return element(
    'acknowledgementRecordDetail',
    {},
    element(
      'code',
      {
        code,
        codeSystem: ofFile ? OIDS.fileCodes : OIDS.recordCodes,
        displayName: { ...FILE_NAMES, ...RECORD_NAMES }[code],
      },
      element('originalText', {}, xmlText(text)),
    ),
    element('location', {}, xmlText(place)),
  );
}

/** The schema requires a telephone number with a use; if none is known it has no digits. */
function receiver({ authority }: Acknowledgement): string {
  const phone = (digits: string | undefined, use: string): string[] =>
    digits === undefined ? [] : [element('telecom', { value: `tel:${digits}`, use })];
  const phones = [
    ...phone(authority?.officeHoursPhone, 'WP'),
    ...phone(authority?.emergencyDutyTeamPhone, 'EC'),
  ];
  return element(
    'communicationFunctionRcv',
    {},
    element(
      'organisation',
      {},
      element('id', { root: OIDS.organisation, extension: authority?.code ?? UNKNOWN }),
      element('name', {}, xmlText(authority?.name ?? authority?.code ?? UNKNOWN)),
      phones.length === 0 ? phone('', 'WP') : phones,
    ),
  );
}

function message({ plans, people }: EchoedRecord, { authority }: Acknowledgement): string {
  const wrapped = (names: readonly string[], inside: string[]): string =>
    names.reduceRight<string[]>((xml, name) => [element(name, {}, xml)], inside).join('');
  return wrapped(
    ['message', 'cP-ISLAAcknowledgementResponse', 'pertinentInformation1', 'invalidCP-ISRecord'],
    [...plans.map(plan), ...people.map((person) => subject(person, authority?.code))],
  );
}

function plan({ type, startDate, endDate, deleteDate }: EchoedRecord['plans'][number]): string {
  const { template, prefix } = PLAN_TYPES[type].spine;
  const date = (component: string, name: string, day: string | undefined): string[] =>
    day === undefined
      ? []
      : [
          element(
            component,
            {},
            element(
              `${prefix}${name}`,
              {},
              element('value', { value: `${day.replaceAll('-', '')}0000` }),
            ),
          ),
        ];
  return element(
    'pertinentInformation',
    {},
    contentId(template),
    element(
      template,
      {},
      date('component', 'StartDate', startDate),
      date('component1', 'EndDate', endDate),
      date('component2', 'DeleteDate', deleteDate),
    ),
  );
}

function subject(
  { kind, nhsNumber, localId, dateOfBirth }: EchoedRecord['people'][number],
  authority: string | undefined,
): string {
  const ids = [
    element('id', { root: OIDS.nhsNumber, extension: nhsNumber }),
    ...(localId === undefined
      ? []
      : [
          element('id', {
            root: OIDS.localId,
            extension: localId,
            assigningAuthorityName: authority,
          }),
        ]),
  ];
  const absent = { nullFlavor: 'NI' };
  const person = [
    element('birthTime', { value: dateOfBirth.replaceAll('-', '') }),
    element('name', {}, element('given', absent), element('family', absent)),
  ];
  const template = kind === 'child' ? 'COCT_TP145101GB01.Child' : 'COCT_TP145100GB01.UnbornChild';
  const role =
    kind === 'child'
      ? [...ids, element('childPerson', {}, person)]
      : [element('parentMotherPerson', {}, person, element('playedMother', {}, ids))];
  return element('subject', {}, contentId(template), element(template, {}, role));
}
