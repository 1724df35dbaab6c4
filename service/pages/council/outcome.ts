import { auditedOutcome } from '#loaders/answers/acknowledge.ts';
import { acknowledgementFormats } from '#loaders/answers/answers.ts';
import type { Acknowledgement, FileCode, Finding } from '#schemas/uploads/acknowledgement.ts';
import { COUNCIL, HELD, OUTCOME, UPLOAD } from '#schemas/wording/council.ts';
import { HELD_FILE_HINTS, saysDiscarded } from '#schemas/wording/decisions.ts';
import { shortTimeText, withTimeTexts } from '#schemas/wording/times.ts';
import type { AtDesk } from '../desk/guarded-desk.ts';
import { pager, summary, table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { link, paragraph } from '../html/parts.ts';

export const HELD_PATH = '/council/held';
/** Findings on one page. */
const ON_A_PAGE = 50;
const REMARKS_AT_MOST = 50;

/** Where the pages of a list of findings are, and which one is shown, from 1. */
type FindingsPage = { path: string; page: number };

/** The number of the page that an address asks for; 1 if it asks for none. */
export function pageOf(text: string | undefined): number {
  return /^[1-9][0-9]{0,3}$/.test(text ?? '') ? Number(text) : 1;
}

/** What became of a file, or would, in a few words. */
export function outcomeText(acknowledgement: Acknowledgement): string {
  const { code, warnings } = acknowledgement;
  const isDiscarded = warnings.some(
    ({ record, field, hint }) => record === undefined && field === 'held' && saysDiscarded(hint),
  );
  return code === 'CPF03' && isDiscarded
    ? UPLOAD.answeredDiscarded
    : auditedOutcomeText(auditedOutcome(acknowledgement));
}

type AuditedOutcome = {
  code?: FileCode | undefined;
  accepted: number;
  held?: true | undefined;
  superseded?: number | undefined;
};

/** The same, from the audit. */
export function auditedOutcomeText({ code, accepted, held, superseded }: AuditedOutcome): string {
  if (held === true) return accepted === 0 ? UPLOAD.answeredHeldWhole : UPLOAD.answeredHeld;
  if (code === 'CPF02' && superseded !== undefined) return UPLOAD.answeredInPart;
  return code === undefined ? '' : UPLOAD.answered[code];
}

/** A finding as a row of a table. */
export const findingCells = ({ record, place, localId, field, hint }: Finding) => [
  record,
  place,
  html`<bdi>${localId ?? ''}</bdi>`,
  field ?? '',
  withTimeTexts(hint),
];

/** The unusable records of a file, page by page. */
function refusedTable(
  { failures, omitted }: Acknowledgement,
  { path, page }: FindingsPage,
): Html | false {
  if (failures.length === 0) return false;
  const pages = Math.ceil(failures.length / ON_A_PAGE);
  const shown = Math.min(page, pages);
  const hasRecords = failures.some(({ record }) => record !== undefined);
  return html`${table(
    hasRecords ? OUTCOME.refused : OUTCOME.wrong,
    OUTCOME.columns,
    failures.slice((shown - 1) * ON_A_PAGE, shown * ON_A_PAGE).map(findingCells),
  )}
${pages > 1 && paragraph(COUNCIL.page(shown, pages))}
${pager({
  ...(shown > 1 && { newer: `${path}?page=${shown - 1}` }),
  ...(shown < pages && { older: `${path}?page=${shown + 1}` }),
  words: OUTCOME.pages,
})}
${omitted.failures > 0 && paragraph(OUTCOME.more(omitted.failures))}`;
}

/** A remark on the number of the file: if it is mistyped, ends in later files are not done. */
const isOnNumber = ({ record, field }: Finding): boolean =>
  record === undefined && field === 'sequence';

/** What is unusual about the number of a file, for the top of its page. */
export const numberRemarks = ({ warnings }: Acknowledgement): Html =>
  html`${warnings.filter(isOnNumber).map(({ hint }) => html`<p class="cpf-strong">${withTimeTexts(hint)}</p>`)}`;

/** Why part of this file is held, without the sentence common to all. */
function reasonsIn({ held, warnings, authority, sequence }: Acknowledgement): Finding[] {
  if (held === undefined) return [];
  const ofEvery = [
    HELD_FILE_HINTS.waits(held.whole, `${authority?.code}-${sequence}`),
    HELD_FILE_HINTS.wouldWait(held.whole),
    HELD_FILE_HINTS.untraced(held.records),
  ];
  return warnings.filter(
    ({ record, field, hint }) =>
      record === undefined && field === 'held' && !ofEvery.includes(hint),
  );
}

/** Why part of this file is held, for the top of its page. */
export function reasonList(acknowledgement: Acknowledgement): Html | false {
  const reasons = reasonsIn(acknowledgement);
  return (
    reasons.length > 0 &&
    html`<ul class="nhsuk-list nhsuk-list--bullet">${reasons.map(({ hint }) => html`<li>${withTimeTexts(hint)}</li>`)}</ul>`
  );
}

/** What its sender can do about the held part of a file. */
export const whatToDo = ({ held, authority, sequence }: Acknowledgement): string =>
  held?.untraced === true ? HELD.traced : HELD.ask(`${authority?.code}-${sequence}`);

const waits = (acknowledgement: Acknowledgement): Html | false =>
  acknowledgement.held !== undefined &&
  html`${reasonList(acknowledgement)}
${paragraph(whatToDo(acknowledgement))}
<p>${link(HELD_PATH, HELD.title)}</p>`;

/** What was not done from a file, for the top of its page. */
export const notDone = (acknowledgement: Acknowledgement): Html => {
  const { superseded } = acknowledgement.rows;
  return html`${superseded > 0 && html`<p class="cpf-strong">${OUTCOME.superseded(superseded)}</p>`}
${numberRemarks(acknowledgement)}
${waits(acknowledgement)}`;
};

/** The remarks that the top of the page does not have. */
function remarks(acknowledgement: Acknowledgement): Html | false {
  const { warnings, omitted } = acknowledgement;
  const reasons = reasonsIn(acknowledgement);
  const listed = warnings.filter((finding) => !isOnNumber(finding) && !reasons.includes(finding));
  if (listed.length === 0) return false;
  const more = listed.length + omitted.warnings - REMARKS_AT_MOST;
  return html`${table(OUTCOME.remarks, OUTCOME.columns, listed.slice(0, REMARKS_AT_MOST).map(findingCells))}
${more > 0 && paragraph(OUTCOME.more(more))}`;
}

/** What became of a file, or would, with everything that its sender can act on. */
export function outcomeDetails(
  acknowledgement: Acknowledgement,
  isDemo: boolean,
  findings: FindingsPage,
): Html {
  const { file, authority, sequence, counts, rows, held, dataAsOf, firstLoad, droppedColumns } =
    acknowledgement;
  const at = (text: string | undefined) => text && shortTimeText(text);
  return html`${summary([
    [
      COUNCIL.council,
      authority &&
        (authority.name === undefined
          ? authority.code
          : html`<bdi>${authority.name}</bdi> (${authority.code})`),
    ],
    [COUNCIL.data, html`<strong>${isDemo ? COUNCIL.demo : COUNCIL.live}</strong>`],
    [OUTCOME.name, html`<bdi>${file.name}</bdi>`],
    [OUTCOME.number, sequence < 0 ? undefined : sequence],
    [OUTCOME.made, at(file.createdAt)],
    [OUTCOME.received, at(file.receivedAt)],
    [OUTCOME.records, OUTCOME.recordsOf(counts)],
    [OUTCOME.plans, OUTCOME.plansOf(rows)],
    [OUTCOME.waits, held && OUTCOME.waitsOf(held)],
    [COUNCIL.dataAsOf, at(dataAsOf)],
    [OUTCOME.ignored, droppedColumns.length === 0 ? undefined : droppedColumns.join(', ')],
  ])}
${firstLoad === true && paragraph(OUTCOME.firstLoad)}
${refusedTable(acknowledgement, findings)}
${remarks(acknowledgement)}`;
}

/** Whether an answer is kept: only if the file used its number or waits in part. */
export const isKept = ({
  code,
  held,
}: {
  code?: FileCode | undefined;
  held?: object | true | undefined;
}): boolean => code === 'CPF02' || code === 'CPF03' || held !== undefined;

/** The form by which an answer is saved. */
export const DOWNLOAD_FORM = 'council-answer';

/** An answer as files, in every format that its sender gets. */
export const downloads = (
  { hidden }: Pick<AtDesk, 'hidden'>,
  acknowledgement: Acknowledgement,
  path: string,
): Html =>
  html`<h2 class="nhsuk-heading-m">${OUTCOME.download}</h2>
<form method="post" action="${path}" novalidate>${hidden(DOWNLOAD_FORM)}
${acknowledgementFormats(acknowledgement).map((format) => html`<button class="nhsuk-button nhsuk-button--secondary" type="submit" name="as" value="${format}">${OUTCOME.formats[format] ?? format}</button> `)}</form>`;
