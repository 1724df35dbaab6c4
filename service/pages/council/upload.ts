// One file, since the form, the preview and the decision are steps of one upload.

import { isDeepStrictEqual } from 'node:util';
import { readInstant } from '#loaders/formats/common/dates.ts';
import { lastFileNumber, type OdsCode } from '#schemas/authority.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import { isoOfTyped } from '#schemas/typed-time.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { UPLOAD } from '#schemas/wording/council.ts';
import { withTimeTexts } from '#schemas/wording/times.ts';
import type { Store } from '#store/store.ts';
import type { Handler, RouteContext } from '../../http/route.ts';
import type { Mountable } from '../../routes/route.ts';
import type { LoadSettings } from '../../uploads/load-settings.ts';
import { type Preview, type PreviewedBy, type Previews, TYPED } from '../../uploads/previews.ts';
import { type DeskDependencies, deskMessage } from '../desk/guarded-desk.ts';
import { isReload, reloadOf } from '../desk/reload.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { type FieldError, heading, paragraph } from '../html/parts.ts';
import { type Fields, readForm } from '../session/forms.ts';
import { receiveFile } from './file-form.ts';
import { type AtCouncil, guardedCouncil } from './guarded-council.ts';
import { downloads, isKept, notDone, outcomeDetails, outcomeText, pageOf } from './outcome.ts';
import {
  filePath,
  HISTORY_PATH,
  type KeptFile,
  onward,
  progressView,
  refusedView,
  shownView,
  UPLOAD_PATH,
  uploadForm,
  waitingItems,
} from './upload-view.ts';

type CouncilUploadDependencies = DeskDependencies & {
  store: Pick<Store, 'authority'>;
  previews: Previews;
  loads: Pick<LoadSettings, 'maxBytes'>;
  isDemo: () => boolean;
};

const MIB = 1_048_576;
const SOON_MS = 20_000;
/** How many files may have been made and not sent before somebody is asked whether the number is right. */
const SKIPPED_AT_MOST = 10;

/** A long load is checked less often, since each check counts against its user's limit. */
const reloadedAfterSeconds = (beganAt: number): number => (Date.now() - beganAt < SOON_MS ? 2 : 5);

const FORM = 'council-upload';
/** A file that a form has kept: its id, and the digest of its bytes. */
const KEPT = /^([0-9a-f-]{36})\.([0-9a-f]{64})$/;
const SEND_FORM = 'council-upload-send';
const letsIn = 'authority';
export const ownerOf = ({ authority, caller }: AtCouncil) => ({
  authority,
  userKey: caller.userKey,
});

/** The same, in the session in which the file comes. */
export const senderOf = (at: AtCouncil) => ({ ...ownerOf(at), session: at.session });

/** Who sees a preview, for the audit and for the load. */
export const previewedBy = (at: AtCouncil): PreviewedBy => ({
  by: sentBy(at),
  caller: auditedCaller(at.caller.identity),
  requestId: at.ids.requestId,
});

/** How a load says who sent it. */
const sentBy = ({ session }: AtCouncil): string =>
  `${session.name} (${session.user}, by ${session.client}), page`;

type Described =
  | { kind: 'described'; metadata: Preview['metadata']; typed: Record<string, string> }
  | { kind: 'wrong'; errors: FieldError[]; typed: Record<string, string> };

/** What was typed about a file. */
export function readDescription(fields: Fields): Described {
  const typed: Record<string, string> = {};
  for (const name of TYPED) {
    const text = fields.get(name)?.trim() ?? '';
    if (text !== '') typed[name] = text;
  }
  const errors: FieldError[] = [];
  const whole = (name: 'sequence' | 'rowCount', most: number, wrong: string) => {
    const text = typed[name];
    if (text === undefined) return {};
    if (/^[0-9]+$/.test(text) && text.length <= most) return { [name]: Number(text) };
    errors.push({ field: name, text: wrong });
    return {};
  };
  const { createdAt, full } = typed;
  const made = createdAt === undefined ? undefined : isoOfTyped(createdAt);
  if (made !== undefined && readInstant(made) === undefined) {
    errors.push({ field: 'createdAt', text: UPLOAD.createdAtWrong });
  }
  const metadata = {
    ...whole('sequence', 15, UPLOAD.sequenceWrong),
    ...whole('rowCount', 9, UPLOAD.rowCountWrong),
    ...(made !== undefined && { createdAt: made }),
    ...(full === 'true' && { full: true }),
  };
  return errors.length > 0
    ? { kind: 'wrong', errors, typed }
    : { kind: 'described', metadata, typed };
}

/**
 * What is wrong with a whole file, each fault at its field; otherwise what to do about its records. A file
 * that is gone must be chosen again, whatever was wrong.
 */
function fieldErrors({ failures }: Acknowledgement, isKept: boolean): FieldError[] {
  const ofWhole: FieldError[] = failures
    .filter(({ record }) => record === undefined)
    .map(({ field, hint }) => ({
      field: TYPED.find((name) => name === field) ?? 'file',
      text: withTimeTexts(hint),
    }));
  if (isKept || ofWhole.some(({ field }) => field === 'file')) return ofWhole;
  const text = ofWhole.length > 0 ? UPLOAD.chooseAgain : UPLOAD.correctRecords;
  return [...ofWhole, { field: 'file', text }];
}

/** The highest number that a council's files have used, as in the files. */
export async function lastOf(
  { store }: Pick<CouncilUploadDependencies, 'store'>,
  authority: OdsCode,
): Promise<number | undefined> {
  return lastFileNumber((await store.authority(authority)) ?? {});
}

/** Whether a file skips so many numbers that its own is probably mistyped. */
async function isNumberTyped(
  dependencies: Pick<CouncilUploadDependencies, 'store'>,
  { authority }: AtCouncil,
  { shown }: Preview,
): Promise<boolean> {
  const last = await lastOf(dependencies, authority);
  const number = shown?.acknowledgement.sequence;
  return last !== undefined && number !== undefined && number - last - 1 > SKIPPED_AT_MOST;
}

/** The form, and its answer if no file was taken. */
function createForm(dependencies: CouncilUploadDependencies) {
  const { loads, forms, previews } = dependencies;
  const tokenOf = ({ session }: AtCouncil): string =>
    forms.token({ form: FORM, owner: session.id });

  async function formOf(
    at: AtCouncil,
    typed: Record<string, string> = {},
    errors: readonly FieldError[] = [],
    kept?: KeptFile,
  ) {
    return {
      kept,
      hidden: html`<input type="hidden" name="token" value="${tokenOf(at)}">`,
      maxBytes: loads.maxBytes,
      last: await lastOf(dependencies, at.authority),
      typed,
      errors,
    };
  }

  async function page(
    at: AtCouncil,
    status = 200,
    typed?: Record<string, string>,
    errors: readonly FieldError[] = [],
    kept?: KeptFile,
    note?: string,
  ): Promise<Response> {
    const others = (await previews.waitingFor(senderOf(at))).filter(({ id }) => id !== kept?.id);
    return at.page({
      title: UPLOAD.title,
      errors,
      note,
      status,
      content: html`${errors.length === 0 ? heading(UPLOAD.title) : html`<h1 class="nhsuk-heading-xl nhsuk-u-margin-bottom-4">${UPLOAD.title}</h1>`}
${paragraph(UPLOAD.lead)}
${others.length > 0 && html`<ul class="nhsuk-list">${waitingItems(others)}</ul>`}
${uploadForm(await formOf(at, typed, errors, kept))}`,
    });
  }
  return { formOf, page };
}

/** `GET /council/upload`: the form for choosing a file. */
const councilUploadForm: Mountable<CouncilUploadDependencies> = {
  operation: { method: 'GET', path: UPLOAD_PATH, letsIn },
  handler(dependencies) {
    const { page } = createForm(dependencies);
    return guardedCouncil(dependencies, (_, at) => {
      const note = at.done('deleted') === 'yes' ? UPLOAD.discarded : undefined;
      return page(at, 200, {}, [], undefined, note);
    });
  },
};

/** `POST /council/upload`: takes a file, and starts its preview. It changes nothing. */
const councilUpload: Mountable<CouncilUploadDependencies> = {
  operation: { method: 'POST', path: UPLOAD_PATH, letsIn },
  handler(dependencies) {
    const { previews, loads } = dependencies;
    const { page } = createForm(dependencies);

    /** The file that the form before this one had, in whatever state it is now. */
    async function keptFile(at: AtCouncil, fields: Fields): Promise<KeptFile | undefined> {
      const [, id = '', sha256] = KEPT.exec(fields.get('kept') ?? '') ?? [];
      const preview = await previews.find(id, ownerOf(at));
      return preview !== undefined && preview.sha256 === sha256 ? { id, preview } : undefined;
    }

    const mib = Math.floor(loads.maxBytes / MIB);
    const atFile = (text: string): FieldError[] => [{ field: 'file', text }];

    return guardedCouncil(dependencies, async (c, at) => {
      const read = await receiveFile(dependencies, c.env, at, FORM);
      if (read.kind === 'refused') return { code: read.code };
      if (read.kind === 'too-large') return page(at, 413, {}, atFile(UPLOAD.tooLarge(mib)));
      if (read.kind === 'cut-short') return page(at, 400, {}, atFile(UPLOAD.notRead));
      const { taken, fields } = read;
      const described = readDescription(fields);
      const refuse = async (status: number, errors: readonly FieldError[]): Promise<Response> => {
        if (taken?.kind === 'received') await previews.discard(taken.id);
        return page(at, status, described.typed, errors);
      };
      const kept = await keptFile(at, fields);
      const unsent = kept && (await previews.unsent(kept.id, senderOf(at)));
      const before = kept && unsent && { id: kept.id, preview: unsent };
      if (taken === undefined && before === undefined) {
        // Sent twice, it is done once: the first has begun.
        if (kept !== undefined && isChecked(kept.preview, described.typed)) {
          return redirect(`${UPLOAD_PATH}/${kept.id}`);
        }
        return refuse(400, atFile(fields.has('kept') ? UPLOAD.keptGone : UPLOAD.choose));
      }
      if (taken?.kind === 'busy') return refuse(503, atFile(UPLOAD.busy));
      if (taken?.kind === 'too-large') return refuse(413, atFile(UPLOAD.tooLarge(mib)));
      if (taken?.sizeBytes === 0) return refuse(400, atFile(UPLOAD.empty));
      // Another file was chosen instead.
      if (taken !== undefined && before !== undefined) await previews.discard(before.id);
      const received = taken && (await previews.unsent(taken.id, senderOf(at)));
      const file = taken && received ? { id: taken.id, preview: received } : before;
      // Its sender signed out as soon as it was here.
      if (file === undefined) return { code: 'token-expired' };
      // The typed fields can be corrected without choosing the file again.
      if (described.kind === 'wrong') {
        return page(at, 400, described.typed, described.errors, file);
      }
      await previews.check(file.id, file.preview, described, previewedBy(at));
      return redirect(`${UPLOAD_PATH}/${file.id}`);
    });
  },
};

/** Whether it is known, or being found out, what a file would do with what was typed, and nothing was decided since. */
const isChecked = ({ state: { kind }, typed }: Preview, as: Record<string, string>): boolean =>
  (kind === 'checking' || kind === 'shown' || kind === 'refused') && isDeepStrictEqual(typed, as);

const idOf = (c: RouteContext): string => c.req.param('id') ?? '';

function gone({ page }: AtCouncil): Response {
  return page({ ...deskMessage(UPLOAD.gone, UPLOAD.goneThen, HISTORY_PATH), status: 404 });
}

/** The page of an upload, in any state. */
function createPreviewPage(dependencies: CouncilUploadDependencies) {
  const { previews, forms, isDemo } = dependencies;
  const { formOf, page } = createForm(dependencies);

  const detailsOf = (c: RouteContext, acknowledgement: Acknowledgement): Html =>
    outcomeDetails(acknowledgement, isDemo(), {
      path: `${UPLOAD_PATH}/${idOf(c)}`,
      page: pageOf(c.req.query('page')),
    });

  return async function show(
    c: RouteContext,
    at: AtCouncil,
    preview: Preview,
    errors: readonly FieldError[] = [],
  ): Promise<Response> {
    const id = idOf(c);
    const path = `${UPLOAD_PATH}/${id}`;
    const { state, shown } = preview;
    const say = (title: string, then: string): Response =>
      at.page({ title, content: html`${heading(title)}${paragraph(then)}${onward()}` });
    if (previews.isInterrupted(preview)) {
      return state.kind === 'checking'
        ? say(UPLOAD.failed, UPLOAD.failedThen)
        : say(UPLOAD.failedSending, UPLOAD.failedSendingThen);
    }
    switch (state.kind) {
      case 'received': {
        const isTheirs = (await previews.unsent(id, senderOf(at))) !== undefined;
        return isTheirs ? page(at, 200, preview.typed, [], { id, preview }) : gone(at);
      }
      case 'checking':
      case 'sending':
        return at.page({
          title: state.kind === 'checking' ? UPLOAD.checking : UPLOAD.sending,
          content: progressView({ ...preview, state }, Date.now(), isReload(c)),
          leave: { afterSeconds: reloadedAfterSeconds(state.beganAt), to: reloadOf(path) },
          renews: false,
        });
      case 'shown': {
        if (shown === undefined) return gone(at);
        const token = forms.token({ form: SEND_FORM, owner: at.session.id, once: id });
        const hidden = html`<input type="hidden" name="token" value="${token}">`;
        return at.page({
          title: UPLOAD.shown,
          errors,
          content: shownView(shown, {
            path,
            hidden,
            details: detailsOf(c, shown.acknowledgement),
            errors,
            isBusy: state.busy === true,
            isNumberTyped: await isNumberTyped(dependencies, at, preview),
          }),
        });
      }
      case 'refused': {
        const { acknowledgement } = state;
        const details = detailsOf(c, acknowledgement);
        if (acknowledgement.repeated === true) {
          return at.page({
            title: UPLOAD.repeatTitle,
            content: html`${heading(UPLOAD.repeatTitle)}${paragraph(UPLOAD.repeatThen)}${notDone(acknowledgement)}${details}${onward()}`,
          });
        }
        const kept = state.kept === true ? { id, preview } : undefined;
        const form = await formOf(
          at,
          preview.typed,
          fieldErrors(acknowledgement, kept !== undefined),
          kept,
        );
        // A problem with the whole file is shown at its field.
        const hasRecords = acknowledgement.failures.some(({ record }) => record !== undefined);
        return at.page({
          title: `Error: ${kept === undefined ? UPLOAD.refusedTitle : UPLOAD.keptTitle}`,
          content: refusedView(form, hasRecords && details),
        });
      }
      case 'answered': {
        const { acknowledgement } = state;
        const title = outcomeText(acknowledgement);
        return at.page({
          title,
          content: html`${heading(title)}${notDone(acknowledgement)}${isKept(acknowledgement) && downloads(at, acknowledgement, filePath(acknowledgement.sequence))}${detailsOf(c, acknowledgement)}${onward()}`,
        });
      }
      case 'changed':
        return say(UPLOAD.changed, UPLOAD.changedThen);
      case 'failed':
        return state.at === 'checking'
          ? say(UPLOAD.failed, UPLOAD.failedThen)
          : say(UPLOAD.failedSending, UPLOAD.failedSendingThen);
    }
  };
}

/** `GET /council/upload/{id}`: the progress of a file, its preview, or its result. */
const councilPreview: Mountable<CouncilUploadDependencies> = {
  operation: { method: 'GET', path: `${UPLOAD_PATH}/:id`, letsIn },
  handler(dependencies) {
    const show = createPreviewPage(dependencies);
    return guardedCouncil(dependencies, async (c, at) => {
      const preview = await dependencies.previews.find(idOf(c), ownerOf(at));
      return preview === undefined ? gone(at) : show(c, at, preview);
    });
  },
};

/** An act on the person's own upload, by the form on its page. */
const previewAct = (
  dependencies: CouncilUploadDependencies,
  work: (c: RouteContext, at: AtCouncil, fields: Fields, preview: Preview) => Promise<Response>,
): Handler =>
  guardedCouncil(dependencies, async (c, at) => {
    const fields = await readForm(c.env);
    if (typeof fields === 'string') return { code: fields };
    const code = at.refusalOf(fields, { form: SEND_FORM, once: idOf(c) });
    if (code !== undefined) return { code };
    const preview = await dependencies.previews.find(idOf(c), ownerOf(at));
    return preview === undefined ? gone(at) : work(c, at, fields, preview);
  });

/** `POST /council/upload/{id}`: sends a previewed file, once anything unusual about it was typed. */
const councilSend: Mountable<CouncilUploadDependencies> = {
  operation: { method: 'POST', path: `${UPLOAD_PATH}/:id`, letsIn },
  handler(dependencies) {
    const { previews } = dependencies;
    const show = createPreviewPage(dependencies);
    return previewAct(dependencies, async (c, at, fields, preview) => {
      const { shown, state } = preview;
      const stops = shown?.difference.stops ?? 0;
      const isTyped = (field: string, number: number | undefined): boolean =>
        fields.get(field)?.trim().replaceAll(',', '') === String(number);
      const errors: FieldError[] = [];
      if (
        !isTyped('number', shown?.acknowledgement.sequence) &&
        (await isNumberTyped(dependencies, at, preview))
      ) {
        errors.push({ field: 'number', text: UPLOAD.confirmNumberWrong });
      }
      if (stops > 0 && !isTyped('stops', stops)) {
        errors.push({ field: 'stops', text: UPLOAD.confirmWrong(stops) });
      }
      if (errors.length > 0 && state.kind === 'shown') return show(c, at, preview, errors);
      await previews.send(idOf(c), preview, previewedBy(at));
      return redirect(`${UPLOAD_PATH}/${idOf(c)}`);
    });
  },
};

/** `POST /council/upload/{id}/discard`: deletes a previewed file. */
const councilDiscard: Mountable<CouncilUploadDependencies> = {
  operation: { method: 'POST', path: `${UPLOAD_PATH}/:id/discard`, letsIn },
  handler: (dependencies) =>
    previewAct(dependencies, async (c) => {
      const isDiscarded = await dependencies.previews.discard(idOf(c));
      // A sent file can no longer be deleted.
      return redirect(isDiscarded ? `${UPLOAD_PATH}?deleted=yes` : `${UPLOAD_PATH}/${idOf(c)}`);
    }),
};

/** The pages for sending a file. */
export const UPLOAD_PAGES = [
  councilUploadForm,
  councilUpload,
  councilPreview,
  councilSend,
  councilDiscard,
] as const;
