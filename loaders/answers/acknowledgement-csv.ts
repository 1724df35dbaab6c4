import type { Acknowledgement, Finding } from '#schemas/uploads/acknowledgement.ts';
import { ACKNOWLEDGEMENT } from '#schemas/wording/answers.ts';
import { csvText } from '../formats/common/csv-text.ts';

const COLUMNS = [
  'file_code',
  'outcome',
  'record',
  'place',
  'local_id',
  'code',
  'field',
  'hint',
] as const;

/**
 * An acknowledgement to work through in a spreadsheet: a line for each refused record with everything wrong
 * with it, then a line for each accepted record with a remark. Findings on the whole file have no record
 * number and come first.
 */
export function acknowledgementCsv(acknowledgement: Acknowledgement): string {
  const { code, failures, warnings, omitted } = acknowledgement;
  const lines = (outcome: string, findings: readonly Finding[]): (string | number)[][] =>
    byRecord(findings).map((group) => {
      const { record, place, localId } = group[0];
      return [
        code,
        record === undefined ? 'file' : outcome,
        record ?? '',
        place,
        localId ?? '',
        distinct(group.map((finding) => finding.code)),
        distinct(group.map(({ field }) => field ?? '')),
        distinct(group.map(({ hint }) => hint)),
      ];
    });
  const more = (count: number, text: (count: number) => string): string[][] =>
    count === 0 ? [] : [[code, 'file', '', 'file', '', '', '', text(count)]];
  return csvText([
    COLUMNS,
    ...lines('refused', failures),
    ...more(omitted.failures, ACKNOWLEDGEMENT.moreProblems),
    ...lines('accepted', warnings),
    ...more(omitted.warnings, ACKNOWLEDGEMENT.moreRemarks),
  ]);
}

/** Findings come in the order of the file, so those of one record are together. */
function byRecord(findings: readonly Finding[]): [Finding, ...Finding[]][] {
  const groups: [Finding, ...Finding[]][] = [];
  for (const finding of findings) {
    const last = groups.at(-1);
    if (last !== undefined && finding.record !== undefined && last[0].record === finding.record) {
      last.push(finding);
    } else groups.push([finding]);
  }
  return groups;
}

const distinct = (texts: readonly string[]): string =>
  [...new Set(texts.filter((text) => text !== ''))].join(' ');
