import type { Acknowledgement, Finding } from '#schemas/uploads/acknowledgement.ts';
import { ACKNOWLEDGEMENT, FILE_CODES, RECORD_CODES } from '#schemas/wording/answers.ts';

/** What was done: the file was loaded, only checked by itself, or only compared with what is held. */
type Done = 'loaded' | 'checked' | 'dry-run';

/** An acknowledgement for a person to read. */
export function acknowledgementText(
  acknowledgement: Acknowledgement,
  done: Done = 'loaded',
): string {
  const { file, authority, sequence, counts, rows, held, dataAsOf } = acknowledgement;
  const from = [
    ...(authority === undefined
      ? []
      : [authority.name === undefined ? authority.code : `${authority.name} (${authority.code})`]),
    ...(sequence < 0 ? [] : [`file ${sequence}`]),
  ];
  return [
    `${file.name}: ${outcomeText(acknowledgement, done)}`,
    ...(from.length === 0 ? [] : [`  From ${from.join(' ')}`]),
    ...(acknowledgement.repeated === true ? [`  ${ACKNOWLEDGEMENT.repeated}`] : []),
    ...(acknowledgement.authorityAdded
      ? [
          `  ${done === 'loaded' ? ACKNOWLEDGEMENT.authorityAdded : ACKNOWLEDGEMENT.wouldAddAuthority}`,
        ]
      : []),
    ...(acknowledgement.firstLoad === true ? [`  ${ACKNOWLEDGEMENT.firstLoad}`] : []),
    ...(done === 'checked'
      ? [`  ${ACKNOWLEDGEMENT.recordsChecked(counts)}`]
      : [`  ${ACKNOWLEDGEMENT.records(counts)}`, `  ${ACKNOWLEDGEMENT.rows(rows)}`]),
    ...(held === undefined
      ? []
      : [`  ${done === 'loaded' ? ACKNOWLEDGEMENT.waits(held) : ACKNOWLEDGEMENT.wouldWait(held)}`]),
    ...(dataAsOf === undefined ? [] : [`  ${ACKNOWLEDGEMENT.dataAsOf(dataAsOf)}`]),
    ...(acknowledgement.droppedColumns.length === 0
      ? []
      : [`  ${ACKNOWLEDGEMENT.droppedColumns(acknowledgement.droppedColumns)}`]),
    ...findingLines(
      ACKNOWLEDGEMENT.refused,
      acknowledgement.failures,
      acknowledgement.omitted.failures,
      true,
    ),
    ...findingLines(
      ACKNOWLEDGEMENT.warnings,
      acknowledgement.warnings,
      acknowledgement.omitted.warnings,
      false,
    ),
  ].join('\n');
}

function outcomeText({ code, meaning: says }: Acknowledgement, done: Done): string {
  switch (done) {
    case 'loaded':
      return `${code} ${says}`;
    case 'checked':
      return ACKNOWLEDGEMENT.checked(code);
    case 'dry-run':
      return ACKNOWLEDGEMENT.wouldBe(code);
  }
}

const meaning = (code: Finding['code']): string => ({ ...FILE_CODES, ...RECORD_CODES })[code];

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
    `  ${title}`,
    ...findings.map((finding) => findingLine(finding, withCode)),
    ...(omitted > 0 ? [`    ${ACKNOWLEDGEMENT.more(omitted)}`] : []),
  ];
}
