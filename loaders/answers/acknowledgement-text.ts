import {
  type Acknowledgement,
  FILE_CODES,
  type Finding,
  RECORD_CODES,
} from '#schemas/uploads/acknowledgement.ts';

/** An acknowledgement for a person to read. */
export function acknowledgementText(acknowledgement: Acknowledgement): string {
  const { file, authority, sequence, code, counts, rows, held, dataAsOf } = acknowledgement;
  const removed = rows.removed ?? 0;
  const from = [
    ...(authority === undefined ? [] : [authority.name ?? '', `(${authority.code})`]),
    ...(sequence < 0 ? [] : [`file ${sequence}`]),
  ];
  return [
    `${file.name}: ${code} ${acknowledgement.meaning}`,
    ...(from.length === 0 ? [] : [`  From ${from.filter(Boolean).join(' ')}`]),
    ...(acknowledgement.authorityAdded ? ['  The authority was not known here; it is now.'] : []),
    ...(acknowledgement.firstLoad === true
      ? [
          '  Its first load: with nothing to compare it with, nothing in it could be called unusual.',
        ]
      : []),
    `  ${plural(counts.records, 'record')}: ${counts.accepted} accepted, ${counts.refused} refused`,
    `  ${plural(rows.added + rows.changed + rows.unchanged + rows.superseded, 'row')}: ${rows.added} added, ${rows.changed} changed, ${rows.unchanged} unchanged, ${rows.superseded} superseded by a newer file${removed > 0 ? `; ${plural(removed, 'older row')} taken away` : ''}`,
    ...(held === undefined
      ? []
      : [
          `  ${held.whole ? 'All of it waits' : `${plural(held.records, 'record')} and ${plural(held.leftOut, 'row')} to take away wait`} for the operator's word: cp-flags release ${held.id}`,
        ]),
    ...(dataAsOf === undefined ? [] : [`  Data as of ${dataAsOf}`]),
    ...(acknowledgement.droppedColumns.length === 0
      ? []
      : [`  Columns read past and not kept: ${acknowledgement.droppedColumns.join(', ')}`]),
    ...findingLines('Refused', acknowledgement.failures, acknowledgement.omitted.failures, true),
    ...findingLines('Warnings', acknowledgement.warnings, acknowledgement.omitted.warnings, false),
  ].join('\n');
}

const meaning = (code: Finding['code']): string => ({ ...FILE_CODES, ...RECORD_CODES })[code];

const plural = (count: number, thing: string): string =>
  `${count} ${thing}${count === 1 ? '' : 's'}`;

function findingLine({ code, place, field, localId, hint }: Finding, withCode: boolean): string {
  const at = [place, ...(localId ? [`local id ${localId}`] : []), ...(field ? [field] : [])];
  return `    ${at.join(', ')}: ${hint}${withCode ? ` (${code}, ${meaning(code)})` : ''}`;
}

/** @param withCode left out of remarks, whose code only says that the record was accepted */
function findingLines(
  title: string,
  findings: readonly Finding[],
  omitted: number,
  withCode: boolean,
): string[] {
  if (findings.length === 0) return [];
  return [
    `  ${title}:`,
    ...findings.map((finding) => findingLine(finding, withCode)),
    ...(omitted > 0 ? [`    and ${omitted} more`] : []),
  ];
}
