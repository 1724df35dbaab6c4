import { OFFICER_PROOF } from '#schemas/wording/officer.ts';
import { timeText } from '#schemas/wording/times.ts';
import { parseEntry } from '../../audit/log/sealed.ts';
import { KeyFileWrong } from '../../audit/seal/keys.ts';
import { textAt } from '../../audit/search/cells.ts';
import { type ShownEvent, viewOf } from '../../audit/search/view.ts';
import type { CheckedProof, Verifications } from '../../audit/verifications/verifications.ts';
import type { Mountable } from '../../routes/route.ts';
import { type ChosenFile, readFileForm } from '../desk/file-form.ts';
import { deskMessage } from '../desk/guarded-desk.ts';
import { fileField, summary } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, link, paragraph } from '../html/parts.ts';
import { eventSummary } from './event-summary.ts';
import {
  type AtOfficer,
  guardedOfficer,
  isPrivacy,
  type OfficerDependencies,
  onRecordAs,
  type PrivacyViewer,
} from './officer.ts';

export type ProofCheckDependencies = OfficerDependencies & {
  verifications: Pick<Verifications, 'check'>;
};

const WORDS = OFFICER_PROOF;
const PATH = '/officer/seal/check';
const RECORD = '/officer/seal';
const FORM = 'proof-check';
/** The longest proof has an event of 64 KiB and a checkpoint with 64 signatures; in UTF-16 it is twice as long. */
const PROOF_AT_MOST_BYTES = 512 * 1024;

type At = AtOfficer<PrivacyViewer>;

/** The form for choosing a proof, and how others check one without this service. */
export const proofCheckForm = (
  { forms }: Pick<ProofCheckDependencies, 'forms'>,
  at: At,
  errors: readonly FieldError[] = [],
): Html =>
  html`<h2 class="nhsuk-heading-m">${WORDS.title}</h2>
${paragraph(WORDS.lead)}
<form method="post" action="${PATH}" enctype="multipart/form-data" novalidate autocomplete="off">
<input type="hidden" name="token" value="${forms.token({ form: FORM, owner: at.session.id })}">
${fileField(WORDS.file, WORDS.fileHint, errors)}
${button(WORDS.submit)}
</form>
<details class="nhsuk-details"><summary class="nhsuk-details__summary"><span class="nhsuk-details__summary-text">${WORDS.outside}</span></summary>
<div class="nhsuk-details__text">${outside()}</div></details>`;

const outside = (): Html =>
  html`<ol class="nhsuk-list nhsuk-list--number">${WORDS.outsideSteps.map((step) => html`<li>${step}</li>`)}</ol>
<p><code>npx cp-flags audit verify --key public-key.txt EVENT.tlog-proof</code></p>
${paragraph(WORDS.outsideThen)}`;

/** A whole file in memory, so that no part of a refused file is ever on disk; `undefined` if it is too large. */
async function bytesOf({ content }: ChosenFile): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of content) {
    length += piece.length;
    if (length <= PROOF_AT_MOST_BYTES) pieces.push(piece);
  }
  return length > PROOF_AT_MOST_BYTES ? undefined : Buffer.concat(pieces);
}

type Proven = Extract<CheckedProof['verified'], { kind: 'proven' }>;

/** When the checkpoint existed, as far as anybody else says so; a checkpoint has no time of its own. */
const existedText = ({ witnessedBy }: Proven): string => {
  const [first] = witnessedBy.map(({ at }) => at).toSorted();
  return first === undefined ? WORDS.noTime : WORDS.existedAt(timeText(first));
};

function provenView(
  officer: AtOfficer,
  { verified, retired, witnesses }: CheckedProof & { verified: Proven },
  event: ShownEvent | undefined,
): Html {
  const { checkpoint, index, signedBy, witnessedBy, falselyWitnessedBy } = verified;
  const keys = signedBy.map((key) => {
    const at = retired.get(key);
    return html`<bdi>${key}</bdi>. ${at === undefined ? WORDS.keyInUse : WORDS.keyRetired(timeText(at))}<br>`;
  });
  const by = witnessedBy.map(
    ({ name, at }) => html`<bdi>${name}</bdi>, ${WORDS.at(timeText(at))}<br>`,
  );
  const nobody = witnesses === 0 ? WORDS.noWitnesses : WORDS.notWitnessed;
  return html`${heading(WORDS.proven)}
<p class="nhsuk-lede-text">${WORDS.provenThen(index, checkpoint.size)}</p>
${summary([
  [WORDS.rows.position, String(index)],
  [WORDS.rows.checkpoint, WORDS.covers(checkpoint.size)],
  [WORDS.rows.record, html`<bdi>${checkpoint.origin}</bdi>`],
  [WORDS.rows.signedBy, html`${keys}`],
  [WORDS.rows.time, existedText(verified)],
  [WORDS.rows.witnesses, by.length === 0 ? nobody : html`${by}`],
  [
    WORDS.rows.falseWitnesses,
    falselyWitnessedBy.length === 0
      ? undefined
      : html`<bdi>${falselyWitnessedBy.join(', ')}</bdi>. ${WORDS.falseWitness}`,
  ],
])}
${paragraph(WORDS.shows)}
<h2 class="nhsuk-heading-m">${WORDS.event}</h2>
${event === undefined ? paragraph(WORDS.eventNotYours) : eventSummary(officer, event)}
<h2 class="nhsuk-heading-m">${WORDS.outside}</h2>
${paragraph(WORDS.ownKey)}
${outside()}
<p>${link(RECORD, WORDS.another)}</p>`;
}

const refutedView = ({
  why,
  detail,
}: Extract<CheckedProof['verified'], { kind: 'refuted' }>): Html =>
  html`<div class="cpf-not-checked">${heading(WORDS.notProven)}
<p class="nhsuk-lede-text">${WORDS.why[why]}</p></div>
${paragraph(WORDS.notProvenThen)}
<p>${WORDS.byCommand} <bdi>${detail}</bdi></p>
<p>${link(RECORD, WORDS.another)}</p>`;

/** The event of a proof, as the officer may see it. */
function eventFor(at: At, { entry, index }: Proven): ShownEvent | undefined {
  return viewOf(at.viewer, parseEntry(entry, index).event, index);
}

async function resultPage(
  dependencies: ProofCheckDependencies,
  at: At,
  proof: Buffer,
): Promise<Response> {
  const checked = await dependencies.verifications.check(proof);
  const { verified } = checked;
  const event = verified.kind === 'proven' ? eventFor(at, verified) : undefined;
  const nhsNumber = event === undefined ? '' : textAt(event, 'nhsNumber');
  await onRecordAs(dependencies, at, {
    reason: WORDS.title,
    report: 'proof-check',
    criteria: {
      result: verified.kind === 'proven' ? verified.kind : verified.why,
      ...(verified.kind === 'proven' && { entry: verified.index }),
      ...(nhsNumber !== '' && { nhsNumber }),
    },
    eventsShown: event === undefined ? 0 : 1,
  });
  return at.page({
    title: WORDS.title,
    content:
      verified.kind === 'proven'
        ? provenView(at, { ...checked, verified }, event)
        : refutedView(verified),
  });
}

/**
 * `POST /officer/seal/check`: what a proof shows, as `cp-flags audit verify` says it, or what is wrong with it.
 *
 * @param formPage the page with the form, and what is wrong in it
 */
export const proofCheck = <D extends ProofCheckDependencies>(
  formPage: (
    dependencies: D,
    at: At,
    errors: readonly FieldError[],
    status: number,
  ) => Promise<Response>,
): Mountable<D> => ({
  operation: { method: 'POST', path: PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, async (c, at) => {
      const read = await readFileForm(c.env, {
        maxBytes: PROOF_AT_MOST_BYTES,
        refusalOf: (fields) => at.refusalOf(fields, { form: FORM }),
        take: async (file) => ({ bytes: await bytesOf(file) }),
      });
      const wrong = (text: string, status: number): Promise<Response> =>
        formPage(dependencies, at, [{ field: 'file', text }], status);
      if (read.kind === 'refused') return { code: read.code };
      if (read.kind === 'cut-short') return wrong(WORDS.notRead, 400);
      if (read.kind === 'read' && read.taken === undefined) return wrong(WORDS.choose, 400);
      const bytes = read.kind === 'read' ? read.taken?.bytes : undefined;
      if (bytes === undefined) return wrong(WORDS.tooLarge, 413);
      try {
        return await resultPage(dependencies, at, bytes);
      } catch (error) {
        if (!(error instanceof KeyFileWrong)) throw error;
        return at.page({ ...deskMessage(WORDS.noKey, WORDS.noKeyThen, RECORD), status: 503 });
      }
    }),
});
