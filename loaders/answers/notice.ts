import type { InactiveNumber, InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { NOTICE } from '#schemas/wording/answers.ts';
import { csvText } from '../formats/common/csv-text.ts';
import { element, intendedRecipient, OIDS, spineDocument, spineTime } from './xml.ts';

/** A line for each number, with what to do about it. */
export function noticeCsv({ numbers, sequence, omitted }: InactiveNumbersNotice): string {
  return csvText([
    ['upload', 'local_id', 'nhs_number', 'replaced_by', 'what_to_do'],
    ...numbers.map(({ nhsNumber, localId, replacedBy }) => [
      sequence,
      localId ?? '',
      printedNhsNumber(nhsNumber),
      replacedBy === undefined ? '' : printedNhsNumber(replacedBy),
      replacedBy === undefined ? NOTICE.notReplaced : NOTICE.replaced,
    ]),
    ...(omitted === 0 ? [] : [[sequence, '', '', '', NOTICE.more(omitted)]]),
  ]);
}

/** In the printed form, which a spreadsheet leaves alone and an upload may hold. */
export const printedNhsNumber = (number: string): string =>
  `${number.slice(0, 3)} ${number.slice(3, 6)} ${number.slice(6)}`;

/** CP-IS Inactive NHS Number Notification, valid against REPC_MT000005GB01. */
export function noticeXml(notice: InactiveNumbersNotice): string {
  const { authority, id, createdAt, numbers } = notice;
  return spineDocument(
    'CP-ISInactiveNHSNumberNotification',
    element('effectiveTime', { value: spineTime(createdAt) }),
    element('id', { root: id.toUpperCase() }),
    intendedRecipient(authority),
    ...numbers.map((number) => element('subject', {}, inactivePatient(number, notice))),
  );
}

function inactivePatient(
  { nhsNumber, localId, replacedBy }: InactiveNumber,
  { authority, sequence }: InactiveNumbersNotice,
): string {
  const local = { root: OIDS.localId, assigningAuthorityName: authority.code };
  return element(
    'pDSInactivePatient',
    {},
    element('id', { root: OIDS.nhsNumber, extension: nhsNumber }),
    localId === undefined ? [] : element('id', { ...local, extension: localId }),
    replacedBy === undefined
      ? []
      : element(
          'replacedBy',
          {},
          element('newVersion', {}, element('id', { extension: replacedBy })),
        ),
    element(
      'subjectOf',
      {},
      element('lAUploadFile', {}, element('value', { extension: sequence })),
    ),
  );
}
