import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import type { InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { acknowledgementCsv } from './acknowledgement-csv.ts';
import { acknowledgementText } from './acknowledgement-text.ts';
import { acknowledgementXml } from './acknowledgement-xml.ts';
import { noticeCsv, noticeXml } from './notice.ts';

/** By the ending of their files. All are UTF-8. */
export const FORMATS = ['json', 'csv', 'xml', 'txt'] as const;
export type Format = (typeof FORMATS)[number];

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** An acknowledgement in any of the formats: the same findings in each, never a name. */
export function formatAcknowledgement(acknowledgement: Acknowledgement, format: Format): string {
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

/** What an authority is sent for a file: XML only for one that sent XML. */
export function acknowledgementFormats({ file }: Acknowledgement): Format[] {
  return FORMATS.filter((format) => format !== 'xml' || file.format === 'spine-xml');
}

export const NOTICE_FORMATS = ['json', 'csv', 'xml'] as const satisfies readonly Format[];

/** A notice of inactive numbers. It holds NHS numbers: for the authority alone. */
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
