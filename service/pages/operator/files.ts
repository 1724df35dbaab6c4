import { type HeldFile, type HeldFileDecision, listHeldFiles } from '#loaders/upkeep/held-files.ts';
import { odsCodeSchema } from '#schemas/authority.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { ACKNOWLEDGEMENT } from '#schemas/wording/answers.ts';
import { HELD, OPERATOR, whatWaits } from '#schemas/wording/operator.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import { shortTimeText, withTimeTexts } from '#schemas/wording/times.ts';
import type { RouteContext } from '../../http/route.ts';
import type { Mountable } from '../../routes/route.ts';
import { OPERATOR_DESK } from '../desk/desks.ts';
import { type AtDesk, deskAct, deskMessage, guardedDesk } from '../desk/guarded-desk.ts';
import { reasonField, table, textField } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, link, paragraph, radios } from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';
import { type OperatorDependencies, readName, readWhy, said } from './operator.ts';

const HOME = '/operator/files';
const FORM = 'operator-file';

export const filePath = ({
  authority,
  sequence,
}: Pick<HeldFile, 'authority' | 'sequence'>): string => `${HOME}/${authority}/${sequence}`;

const reasonsOf = ({ reasons, untraced }: HeldFile): readonly string[] =>
  untraced === undefined ? reasons : [HELD.forPds];

type Typed = { decision?: string; confirmedBy?: string; reason?: string };

/** What the form shows besides the file: what was typed and is wrong, or why the last decision failed. */
type Shown = { typed?: Typed; errors?: readonly FieldError[]; failure?: string | undefined };

/** The subject of a decision: a file of an authority, which may or may not still wait. */
type Subject = {
  authority: ReturnType<typeof odsCodeSchema.parse>;
  sequence: number;
  name: string;
};

/** `GET /operator/files`: what waits, and why. */
export const operatorFiles: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: HOME, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (_, { page }) => {
      const { anchor, readiness, heldMs } = dependencies;
      const files = listHeldFiles(anchor);
      const nameOf = ({ authority }: HeldFile): string =>
        readiness.authorities.get(authority)?.name ?? authority;
      return page({
        title: HELD.title,
        content: html`${heading(HELD.title)}
${paragraph(files.length === 0 ? HELD.nothing : HELD.lead)}
${
  files.length > 0 &&
  table(
    HELD.caption,
    HELD.columns,
    files.map((file) => [
      html`<a class="nhsuk-link" href="${filePath(file)}"><bdi>${HELD.file(file.number, said(nameOf(file)))}</bdi></a>`,
      shortTimeText(file.at),
      [whatWaits(file), ...reasonsOf(file)].join(' '),
      shortTimeText(Date.parse(file.at) + heldMs),
    ]),
  )
}
<p>${OPERATOR.byCommand} <code>cp-flags release --list</code></p>`,
      });
    }),
};

const FILE_PAGE = `${HOME}/:authority/:sequence`;

function subjectOf(c: RouteContext, { readiness }: OperatorDependencies): Subject | undefined {
  const authority = odsCodeSchema.safeParse(c.req.param('authority')).data;
  const sequence = c.req.param('sequence') ?? '';
  const known = authority && readiness.authorities.get(authority);
  if (known === undefined || !/^[0-9]{1,15}$/.test(sequence)) return undefined;
  return { authority: known.code, sequence: Number(sequence), name: known.name };
}

const heldOf = ({ anchor }: OperatorDependencies, { authority, sequence }: Subject) =>
  listHeldFiles(anchor).find((file) => file.authority === authority && file.sequence === sequence);

function formPage(
  { page, hidden }: AtDesk,
  file: HeldFile,
  name: string,
  { typed = {}, errors = [], failure }: Shown,
): Response {
  const title = HELD.file(file.number, said(name));
  const options = [
    ...(file.untraced === undefined
      ? [{ value: 'release', text: HELD.release, hint: HELD.releaseHint }]
      : []),
    { value: 'discard', text: HELD.discard, hint: HELD.discardHint },
  ];
  return page({
    title,
    errors,
    note: failure && `${HELD.lastFailed} ${said(failure)} ${HELD.lastFailedThen}`,
    content: html`${heading(html`<bdi>${title}</bdi>`)}
<p class="nhsuk-lede-text">${whatWaits(file)}</p>
<ul class="nhsuk-list nhsuk-list--bullet">${reasonsOf(file).map((reason) => html`<li>${reason}</li>`)}</ul>
${paragraph(HELD.lead)}
<form method="post" action="${filePath(file)}" novalidate>
${hidden(FORM)}
<input type="hidden" name="held" value="${file.id}">
${radios('decision', { legend: HELD.decide, options, chosen: typed.decision, error: errors.find(({ field }) => field === 'decision')?.text })}
${textField({ name: 'confirmedBy', label: HELD.confirmedBy, hint: HELD.confirmedByHint, value: typed.confirmedBy, errors, width: 30 })}
${reasonField(typed.reason, errors)}
${button(HELD.submit)}
</form>
<p>${OPERATOR.byCommand} <code>cp-flags release ${file.authority}-${file.number}</code></p>`,
  });
}

const isDecision = (text: string): text is keyof typeof HELD.done => Object.hasOwn(HELD.done, text);

/** The outcome of a file that does not wait. */
async function outcomePage(
  { store }: OperatorDependencies,
  { page }: AtDesk,
  { authority, sequence, name }: Subject,
  done: string | undefined,
): Promise<Response> {
  const doneText = done !== undefined && isDecision(done) ? HELD.done[done] : undefined;
  const entry = await store.fileOf(authority, sequence);
  const acknowledgement =
    entry && acknowledgementSchema.safeParse(JSON.parse(entry.acknowledgement)).data;
  if (acknowledgement === undefined) {
    return page(deskMessage(HELD.nothingWaits, doneText ?? HELD.nothingWaitsThen, HOME));
  }
  const { code, meaning, counts, rows, warnings } = acknowledgement;
  const ofHeld = warnings.find(({ record, field }) => record === undefined && field === 'held');
  const title = HELD.file(acknowledgement.sequence, said(name));
  return page({
    title,
    note: doneText,
    content: html`${heading(html`<bdi>${title}</bdi>`)}
<h2 class="nhsuk-heading-m">${HELD.became}</h2>
${ofHeld !== undefined && paragraph(withTimeTexts(ofHeld.hint))}
<p class="nhsuk-lede-text">${HELD.outcome(code, meaning)}</p>
${[ACKNOWLEDGEMENT.records(counts), ACKNOWLEDGEMENT.rows(rows)].map((text): Html => paragraph(HELD.sentence(text)))}
<p>${link(HOME, HELD.title)}</p>`,
  });
}

function readDecision(
  fields: Fields,
  { named }: AtDesk,
  file: HeldFile,
): { what: 'release' | 'discard'; by: HeldFileDecision } | { errors: FieldError[] } {
  const what = fields.get('decision');
  const isChoice = what === 'discard' || (what === 'release' && file.untraced === undefined);
  const confirmer = fields.get('confirmedBy');
  // Only a release needs it: discarding applies nothing, and the command does not ask for it either.
  const confirmedBy =
    what !== 'release' && (confirmer ?? '').trim() === ''
      ? ({ kind: 'read', value: undefined } as const)
      : readName('confirmedBy', confirmer);
  const reason = readWhy(fields.get('reason'));
  if (isChoice && confirmedBy.kind === 'read' && reason.kind === 'read') {
    const { value } = confirmedBy;
    return {
      what,
      by: { ...named(reason.value), ...(value !== undefined && { confirmedBy: value }) },
    };
  }
  return {
    errors: [
      ...(isChoice ? [] : [{ field: 'decision', text: OPERATOR.choose }]),
      ...(confirmedBy.kind === 'wrong' ? confirmedBy.errors : []),
      ...(reason.kind === 'wrong' ? reason.errors : []),
    ],
  };
}

/** `GET /operator/files/:authority/:sequence`: what waits of a file with a form to decide, or what became of it. */
export const operatorFile: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: FILE_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (c, at) => {
      const subject = subjectOf(c, dependencies);
      if (subject === undefined) return at.notFound();
      const file = heldOf(dependencies, subject);
      if (file === undefined) {
        return outcomePage(dependencies, at, subject, at.done());
      }
      const { heldFileWork } = dependencies;
      return heldFileWork.isUnderWay(file.id)
        ? at.page(deskMessage(HELD.underWay, HELD.underWayThen, filePath(subject)))
        : formPage(at, file, subject.name, { failure: heldFileWork.lastFailure(file.id) });
    }),
};

/** `POST /operator/files/:authority/:sequence`: releases or discards the held part. */
export const operatorDecideFile: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: FILE_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: FORM }, async (c, at, fields) => {
      const { heldFileWork } = dependencies;
      const subject = subjectOf(c, dependencies);
      if (subject === undefined) return at.notFound();
      const file = heldOf(dependencies, subject);
      const path = filePath(subject);
      if (file === undefined) {
        return at.page({ ...deskMessage(HELD.nothingWaits, HELD.decidedElse, path), status: 409 });
      }
      if (heldFileWork.isUnderWay(file.id)) return redirect(path);
      // Another file with the same number has replaced the one shown: nobody has decided about that.
      if (fields.get('held') !== file.id) {
        return at.page({ ...deskMessage(HELD.replaced, HELD.overtaken, path), status: 409 });
      }
      const read = readDecision(fields, at, file);
      if ('errors' in read) {
        return formPage(at, file, subject.name, {
          typed: Object.fromEntries(fields),
          errors: read.errors,
        });
      }
      const failed = await heldFileWork.decide(file, read.what, read.by);
      if (failed === undefined) return redirect(`${path}?done=${read.what}`);
      const title = failed.unsure ? DECISIONS.unsure : OPERATOR.failed;
      const status = failed.unsure ? 503 : 409;
      return at.page({ ...deskMessage(title, said(failed.says), path), status });
    }),
};
