import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { type AnswerFormat, UPLOAD_FORMATS } from '#schemas/uploads/formats.ts';
import type { InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { acknowledgementCsv } from './acknowledgement-csv.ts';
import { acknowledgementText } from './acknowledgement-text.ts';
import { acknowledgementXml } from './acknowledgement-xml.ts';
import { noticeCsv, noticeXml } from './notice.ts';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** An acknowledgement in any of the formats: the same findings in each, never a name. */
export function formatAcknowledgement(
  acknowledgement: Acknowledgement,
  format: AnswerFormat,
): string {
  switch (format) {
    case 'json':
      return json(acknowledgement);
    case 'csv':
      return acknowledgementCsv(acknowledgement);
    case 'xml':
      return acknowledgementXml(acknowledgement);
    case 'txt':
      return `${acknowledgementText(acknowledgement)}\n`;
  }
}

/** What an authority is sent for a file, by its format. */
export const acknowledgementFormats = ({ file }: Acknowledgement): readonly AnswerFormat[] =>
  UPLOAD_FORMATS[file.format].answers;

export const NOTICE_FORMATS = ['json', 'csv', 'xml'] as const satisfies readonly AnswerFormat[];

/** A notice of inactive numbers. It holds NHS numbers, so it is only for the authority. */
export function formatNotice(
  notice: InactiveNumbersNotice,
  format: (typeof NOTICE_FORMATS)[number],
): string {
  switch (format) {
    case 'json':
      return json(notice);
    case 'csv':
      return noticeCsv(notice);
    case 'xml':
      return noticeXml(notice);
  }
}
