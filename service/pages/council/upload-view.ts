import { printableName } from '#loaders/answers/acknowledge.ts';
import { printedNhsNumber } from '#loaders/answers/notice.ts';
import { longDateText } from '#schemas/calendar.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { STOPPED_LISTED_AT_MOST, type StoppedPlan } from '#schemas/uploads/stopped-plan.ts';
import { UPLOAD } from '#schemas/wording/council.ts';
import { figure } from '#schemas/wording/counts.ts';
import { shownCell } from '../../audit/search/cells.ts';
import type { Preview } from '../../uploads/previews.ts';
import { secondsLeft } from '../../uploads/progress.ts';
import { checkbox, fileField, table, textField } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import {
  button,
  buttonLink,
  errorSummary,
  type FieldError,
  heading,
  link,
  paragraph,
} from '../html/parts.ts';
import { numberRemarks, reasonList } from './outcome.ts';

export const UPLOAD_PATH = '/council/upload';
export const HISTORY_PATH = '/council/history';
/** Where the answer to a file is. */
export const filePath = (sequence: number): string => `${HISTORY_PATH}/${sequence}`;
const MIB = 1_048_576;

/** A file that is kept, so that only the typed fields need correcting. */
export type KeptFile = { id: string; preview: Preview };

/** Links to the files that wait for somebody, as items of a list. */
export const waitingItems = (files: readonly KeptFile[]): Html =>
  html`${files.map(
    ({ id, preview: { name, state } }) =>
      html`<li>${link(`${UPLOAD_PATH}/${id}`, state.kind === 'shown' ? UPLOAD.waitsToBeSent : UPLOAD.waitsToBeCorrected)}: <bdi>${shownCell(printableName(name))}</bdi></li>`,
  )}`;

type UploadForm = {
  hidden: Html;
  maxBytes: number;
  /** The number of the last file, as it was sent. */
  last: number | undefined;
  typed?: Record<string, string>;
  errors?: readonly FieldError[];
  kept?: KeptFile | undefined;
};

/** The fields for what a CSV may not say about itself. */
export function detailFields(
  last: number | undefined,
  typed: Record<string, string | undefined>,
  errors: readonly FieldError[],
): Html {
  const field = (name: 'sequence' | 'createdAt' | 'rowCount', hint: string): Html =>
    textField({
      name,
      label: UPLOAD[name],
      hint,
      value: typed[name],
      errors,
      width: name === 'createdAt' ? 20 : 10,
      inputMode: name === 'createdAt' ? 'text' : 'numeric',
    });
  return html`${field('sequence', UPLOAD.sequenceHint(last))}
${field('createdAt', UPLOAD.createdAtHint)}
${field('rowCount', UPLOAD.rowCountHint)}`;
}

const sizeText = (bytes: number): string =>
  bytes < MIB
    ? `${figure(Math.max(1, Math.round(bytes / 1024)))} KB`
    : `${(bytes / MIB).toFixed(1)} MB`;

/** The form for choosing a file. Its hidden fields come first, so that they are checked before the file is read. */
export function uploadForm({
  hidden,
  maxBytes,
  last,
  typed = {},
  errors = [],
  kept,
}: UploadForm): Html {
  const hasDetails = ['sequence', 'createdAt', 'rowCount', 'full'].some(
    (name) => (typed[name] ?? '') !== '' || errors.some((error) => error.field === name),
  );
  return html`<form method="post" action="${UPLOAD_PATH}" enctype="multipart/form-data" novalidate autocomplete="off">
${hidden}
${kept !== undefined && html`<input type="hidden" name="kept" value="${kept.id}.${kept.preview.sha256}"><p>${UPLOAD.kept} <bdi>${shownCell(kept.preview.name)}</bdi> (${sizeText(kept.preview.sizeBytes)}). ${UPLOAD.keptFor}</p>`}
${fileField(UPLOAD.file, UPLOAD.fileHint(Math.floor(maxBytes / MIB)), errors)}
<details class="nhsuk-details"${hasDetails && html` open`}><summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${UPLOAD.csv}</span></summary>
<div class="nhsuk-details__text">
${detailFields(last, typed, errors)}
${checkbox({ name: 'full', label: UPLOAD.full, value: 'true', checked: typed['full'] === 'true', errors })}
</div></details>
${button(UPLOAD.submit)}
</form>`;
}

/** The progress of a file. */
export function progressView(
  { state }: Preview & { state: Extract<Preview['state'], { share: number }> },
  now: number,
  isReloaded = false,
): Html {
  const { kind, share, records, doing, beganAt } = state;
  const percent = Math.floor(share * 100);
  const seconds = (now - beganAt) / 1000;
  return html`${heading(kind === 'checking' ? UPLOAD.checking : UPLOAD.sending, isReloaded)}
<p><progress class="cpf-progress" max="100" value="${percent}" aria-label="${UPLOAD.doing[doing] ?? doing}"></progress></p>
<p><strong>${UPLOAD.doing[doing] ?? doing}.</strong> ${UPLOAD.progress(percent, records)} ${seconds >= 2 && share > 0.02 && UPLOAD.left(secondsLeft(seconds, share))}</p>
${paragraph(UPLOAD.reloads)}`;
}

const items = (texts: readonly (Html | string | false)[]): Html =>
  html`<ul class="nhsuk-list nhsuk-list--bullet">${texts.map((text) => text !== false && html`<li>${text}</li>`)}</ul>`;

function waits({ held }: Acknowledgement): string | undefined {
  if (held === undefined) return undefined;
  if (held.untraced === true) return UPLOAD.wouldTrace(held.records);
  return held.whole ? UPLOAD.wouldWaitWhole : UPLOAD.wouldWait;
}

/** A longer list is folded away, so that what is typed to confirm it is in sight. */
const LISTED_OPEN = 10;

const stoppedList = (stopped: readonly StoppedPlan[]): Html | false =>
  stopped.length > 0 &&
  html`<details class="nhsuk-details"${stopped.length <= LISTED_OPEN && html` open`}><summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${UPLOAD.stopped}</span></summary>
<div class="nhsuk-details__text">
${table(
  UPLOAD.stopped,
  UPLOAD.stoppedColumns,
  stopped.map(({ localId, nhsNumber, type, startDate, by, place = '' }) => [
    nhsNumber === undefined ? html`<bdi>${localId}</bdi>` : printedNhsNumber(nhsNumber),
    PLAN_TYPES[type].label,
    longDateText(startDate),
    UPLOAD.stoppedBy[by],
    place,
  ]),
)}
${stopped.length === STOPPED_LISTED_AT_MOST && paragraph(UPLOAD.stoppedMore)}
</div></details>`;

type ShownForm = {
  path: string;
  hidden: Html;
  details: Html;
  errors: readonly FieldError[];
  isBusy: boolean;
  /** Whether the number of the file is to be typed again. */
  isNumberTyped: boolean;
};

/** What a file would do, and the form that sends it. */
export function shownView(
  { acknowledgement, difference, stopped = [] }: NonNullable<Preview['shown']>,
  { path, hidden, details, errors, isBusy, isNumberTyped }: ShownForm,
): Html {
  const { added, changed, removed, stops } = difference;
  const { refused } = acknowledgement.counts;
  const { superseded } = acknowledgement.rows;
  const isNothing = added + changed + removed + refused + superseded === 0;
  const would = UPLOAD.would;
  const waiting = waits(acknowledgement);
  return html`${errors.length === 0 ? heading(UPLOAD.shown) : html`<h1 class="nhsuk-heading-xl nhsuk-u-margin-bottom-4">${UPLOAD.shown}</h1>`}
${isBusy && html`<p class="cpf-strong">${UPLOAD.otherAtWork}</p>`}
<p><strong>${UPLOAD.notYet}</strong> ${UPLOAD.waitsUntil}</p>
${numberRemarks(acknowledgement)}
${isNothing ? paragraph(UPLOAD.shownNothing) : html`<p>${UPLOAD.wouldDo}</p>${items([added > 0 && would.added(added), changed > 0 && would.changed(changed), removed > 0 && would.removed(removed), refused > 0 && would.refused(refused), superseded > 0 && html`<strong>${would.superseded(superseded)}</strong>`])}`}
${superseded > 0 && paragraph(UPLOAD.supersededThen)}
${waiting !== undefined && html`<p class="cpf-strong">${waiting}</p>${reasonList(acknowledgement)}`}
${stops > 0 && html`<div class="cpf-plain"><p class="cpf-strong">${UPLOAD.stops(stops)}</p>${paragraph(UPLOAD.stopsThen)}</div>${stoppedList(stopped)}`}
<form method="post" action="${path}" novalidate autocomplete="off">
${hidden}
${
  isNumberTyped &&
  textField({
    name: 'number',
    label: UPLOAD.confirmNumber,
    hint: UPLOAD.confirmNumberHint,
    errors,
    width: 10,
    inputMode: 'numeric',
  })
}
${
  stops > 0 &&
  textField({
    name: 'stops',
    label: UPLOAD.confirm(stops),
    hint: UPLOAD.confirmHint,
    errors,
    width: 5,
    inputMode: 'numeric',
  })
}
${button(UPLOAD.send)}
</form>
<form method="post" action="${path}/discard" novalidate>${hidden}<button class="nhsuk-button nhsuk-button--secondary" type="submit">${UPLOAD.discard}</button></form>
${details}`;
}

/** Links from the outcome of a file. */
export const onward = (): Html =>
  html`<p>${buttonLink(UPLOAD_PATH, UPLOAD.another)} ${buttonLink(HISTORY_PATH, UPLOAD.toHistory, true)}</p>`;

/** None of the file was loaded: what is wrong, and the form for choosing another one. */
export const refusedView = (
  form: UploadForm,
  details: Html | false,
): Html => html`${errorSummary(form.errors ?? [])}
<h1 class="nhsuk-heading-xl nhsuk-u-margin-bottom-4">${form.kept === undefined ? UPLOAD.refusedTitle : UPLOAD.keptTitle}</h1>
${paragraph(form.kept === undefined ? UPLOAD.refusedThen : UPLOAD.keptThen)}
${uploadForm(form)}
${details}`;
