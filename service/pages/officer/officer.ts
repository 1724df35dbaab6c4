import { randomUUID } from 'node:crypto';
import type { SearchedUntil } from '#schemas/audit/audit-search.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import { OFFICER, OFFICER_CASES, OFFICER_DRAFT } from '#schemas/wording/officer.ts';
import { timeText } from '#schemas/wording/times.ts';
import type { Store } from '#store/store.ts';
import type { WorkRefused } from '../../admission/guarded.ts';
import type { Organisations } from '../../admission/identities.ts';
import type { ThreadFinds, ThreadOrders } from '../../audit/search/search-thread.ts';
import { type Reach, searchedUntilOf } from '../../audit/search/searched-until.ts';
import type { Searcher } from '../../audit/search/searcher.ts';
import type { Viewer } from '../../audit/search/view.ts';
import { type ViewerDependencies, viewerOf } from '../../audit/search/viewer.ts';
import type { Handler, RouteContext } from '../../http/route.ts';
import { OFFICER_DESK } from '../desk/desks.ts';
import {
  type AtDesk,
  type DeskDependencies,
  type DeskPage,
  deskAct,
  deskMessage,
  guardedDesk,
} from '../desk/guarded-desk.ts';
import type { Html } from '../html/html.ts';
import { html } from '../html/html.ts';
import { heading, link, paragraph } from '../html/parts.ts';
import { type Fields, readForm } from '../session/forms.ts';
import { typedHidden } from './criteria.ts';

export type OfficerDependencies = DeskDependencies &
  ViewerDependencies & {
    searcher: Pick<Searcher, 'ask'>;
    /** How far the index reaches, by the worker's thread's last report. */
    indexed: () => Reach | undefined;
    store: Pick<Store, 'appendEvent'>;
    organisations: () => Organisations;
  };

export type CouncilName = (code: string) => string;

/** A person who may look into the audit, and their view of it. */
export type AtOfficer<V extends Viewer = Viewer> = AtDesk & {
  viewer: V;
  /** What people call a council or a registered organisation, with its code; any other code is unchanged. */
  councilName: CouncilName;
  /** The way back from a page reached by sending a form, since going back to one fails in a browser. */
  back?: Html;
};

type Answer = Response | WorkRefused | Promise<Response | WorkRefused>;

/** Who sees more than looks at their own children: privacy officers and the operating Guardian. */
export type PrivacyViewer = Exclude<Viewer, { kind: 'authority' }>;

export const isAll = (viewer: Viewer): viewer is Extract<Viewer, { kind: 'all' }> =>
  viewer.kind === 'all';
export const isPrivacy = (viewer: Viewer): viewer is PrivacyViewer => viewer.kind !== 'authority';
export const isAny = (viewer: Viewer): viewer is Viewer => viewer !== undefined;

type ForWhom<V extends Viewer> = (viewer: Viewer) => viewer is V;

const seenBy = <V extends Viewer>(
  dependencies: OfficerDependencies,
  forWhom: ForWhom<V>,
  at: AtDesk,
): AtOfficer<V> | undefined => {
  const viewer = viewerOf(at.caller.identity, dependencies);
  const councilName = (code: string): string => {
    const name =
      dependencies.readiness.authorities.get(code)?.name ??
      dependencies.organisations().get(code)?.name;
    return name === undefined ? code : OFFICER.council(name, code);
  };
  return forWhom(viewer) ? { ...at, viewer, councilName } : undefined;
};

/** Guards a page of the audit. For anybody else the page does not exist. */
export const guardedOfficer = <V extends Viewer>(
  dependencies: OfficerDependencies,
  forWhom: ForWhom<V>,
  work: (c: RouteContext, at: AtOfficer<V>) => Answer,
): Handler =>
  guardedDesk(dependencies, OFFICER_DESK, (c, at) => {
    const officer = seenBy(dependencies, forWhom, at);
    return officer === undefined ? at.notFound() : work(c, officer);
  });

/** Room for the lines that were released on hundreds of pages of a draft: they go from page to page. */
const FORM_MOST_BYTES = 262_144;
export const LOOK_FORM = 'audit';

/** Fields that a way back does not send again: the sender, and what was done on the page. */
const NOT_TYPED = new Set(['form', 'token', 'entry', 'as', 'edit', 'go', 'next']);

/** A form that goes to another page with all that was typed so far. */
function goOn(at: AtOfficer, action: string, fields: Fields, text: string, edit = false): Html {
  const typed = [...fields].filter(([name]) => !NOT_TYPED.has(name));
  return html`<form class="cpf-screen-only" method="post" action="${action}" novalidate>
${at.hidden(LOOK_FORM)}${typedHidden({ ...Object.fromEntries(typed), ...(edit && { edit: 'yes' }) })}
<button class="nhsuk-button nhsuk-button--secondary" type="submit">${text}</button>
</form>`;
}

/** The way back: from an event to its results (to the cases, if opened there), from a copy to its draft, from results to the form. */
function backFrom(at: AtOfficer, path: string, fields: Fields): Html {
  switch (path) {
    case '/officer/event': {
      if (fields.has('case')) return html`<p>${link('/officer/cases', OFFICER_CASES.title)}</p>`;
      const from = fields.has('report') ? '/officer/reports' : '/officer/search';
      return goOn(at, from, fields, OFFICER.back);
    }
    case '/officer/child/copy':
      return goOn(at, '/officer/child', fields, OFFICER_DRAFT.back);
    default:
      return goOn(at, path, fields, OFFICER.change, true);
  }
}

/** Whether somebody wants the form again with what they typed, without a search. */
export const isEdit = (fields: Fields): boolean => fields.get('edit') === 'yes';

/**
 * Guards a form that only looks. It may be sent again by going back to it: each time is a separate, recorded
 * search.
 */
export const officerLook = <V extends Viewer>(
  dependencies: OfficerDependencies,
  forWhom: ForWhom<V>,
  work: (c: RouteContext, at: AtOfficer<V>, fields: Fields) => Answer,
): Handler =>
  guardedOfficer(dependencies, forWhom, async (c, at) => {
    const fields = await readForm(c.env, { maxBytes: FORM_MOST_BYTES });
    if (typeof fields === 'string') return { code: fields };
    const code = at.refusalOf(fields, { form: LOOK_FORM, once: fields.get('form') ?? '' });
    if (code !== undefined) return { code };
    return work(c, { ...at, back: backFrom(at, c.req.path, fields) }, fields);
  });

/** Guards an act on what the audit shows. */
export const officerAct = <V extends Viewer>(
  dependencies: OfficerDependencies,
  forWhom: ForWhom<V>,
  form: string,
  work: (c: RouteContext, at: AtOfficer<V>, fields: Fields) => Answer,
): Handler =>
  deskAct(dependencies, OFFICER_DESK, { form }, (c, at, fields) => {
    const officer = seenBy(dependencies, forWhom, at);
    return officer === undefined ? at.notFound() : work(c, officer, fields);
  });

export type Looked<Kind extends keyof ThreadOrders> =
  | { kind: 'found'; found: ThreadFinds[Kind]; auditId: string; reach: SearchedUntil }
  | { kind: 'refused'; response: Response };

const FAILED = OFFICER.failed;
const FAILURES = {
  'no-index': { status: 503, title: FAILED.noIndex, says: FAILED.noIndexThen },
  'too-much': { status: 422, title: FAILED.tooMuch, says: FAILED.tooMuchThen },
  'too-slow': { status: 503, title: FAILED.tooSlow, says: FAILED.tooSlowThen },
  busy: { status: 503, title: FAILED.busy, says: FAILED.busyThen },
  failed: { status: 503, title: FAILED.failed, says: FAILED.failedThen },
} as const;

/** What is recorded about a look into the audit, besides who made it. */
type OnRecord = {
  reason: string;
  report?: string;
  criteria: Record<string, string | number | boolean>;
  eventsShown: number;
};

/** Records a look into the audit, and returns its id. */
export async function onRecordAs(
  { store }: Pick<OfficerDependencies, 'store'>,
  at: AtOfficer,
  { reason, ...recorded }: OnRecord,
): Promise<string> {
  const auditId = randomUUID();
  const { by, account } = at.named(reason);
  await store.appendEvent({
    type: 'audit-search',
    auditId,
    requestId: at.ids.requestId,
    caller: auditedCaller(at.caller.identity),
    by,
    reason,
    ...(account !== undefined && { account }),
    view: at.viewer.kind,
    ...recorded,
  });
  return auditId;
}

/** A message with the way back to what was typed, where it came from a form that looks. */
export const officerMessage = (at: AtOfficer, title: string, says: string): DeskPage =>
  at.back === undefined
    ? deskMessage(title, says, OFFICER_DESK.home)
    : { title, content: html`${heading(title)}${paragraph(says)}${at.back}` };

type Asked<Kind extends keyof ThreadOrders> =
  | { kind: 'found'; found: ThreadFinds[Kind] & { size: number } }
  | { kind: 'refused'; response: Response };

/** Looks into the audit, for what is recorded before it is shown. */
export async function ask<Kind extends keyof ThreadOrders>(
  { searcher, log }: Pick<OfficerDependencies, 'searcher' | 'log'>,
  at: AtOfficer,
  kind: Kind,
  order: ThreadOrders[Kind],
): Promise<Asked<Kind>> {
  const found = await searcher.ask(kind, order);
  if (found.kind === 'found') return { kind: 'found', found };
  if (found.kind === 'failed')
    log.error('The audit could not be searched.', { cause: found.cause });
  const { status, title, says } = FAILURES[found.kind];
  return { kind: 'refused', response: at.page({ ...officerMessage(at, title, says), status }) };
}

/** Looks into the audit and records that, before anything is shown. */
export async function look<Kind extends keyof ThreadOrders>(
  dependencies: OfficerDependencies,
  at: AtOfficer,
  kind: Kind,
  order: ThreadOrders[Kind],
  onRecord: (found: ThreadFinds[Kind]) => OnRecord | undefined,
): Promise<Looked<Kind>> {
  // The extent before the search, which reaches at least as far.
  const before = dependencies.indexed();
  const asked = await ask(dependencies, at, kind, order);
  if (asked.kind === 'refused') return asked;
  const { found } = asked;
  const recorded = onRecord(found);
  if (recorded === undefined) return { kind: 'refused', response: at.notFound() };
  const auditId = await onRecordAs(dependencies, at, recorded);
  return { kind: 'found', found, auditId, reach: searchedUntilOf(before, found.size) };
}

/** What the reader of a result must know: that it is recorded, and how far it reached. */
export const reachNote = (auditId: string, { completeUntil, notSearched }: SearchedUntil): Html =>
  html`<p class="nhsuk-body-s">${OFFICER.recordedAs(auditId)}
${completeUntil === undefined ? OFFICER.searchedUntilUnknown : OFFICER.searchedUntil(timeText(completeUntil))}
${notSearched > 0 && OFFICER.notSearched(notSearched)}</p>`;

/** Somebody's view of the audit, in words. */
export function seesText({ viewer, session }: AtOfficer): string {
  if (viewer.kind === 'all') return OFFICER.sees.all;
  return OFFICER.sees[viewer.kind](session.role.organisation.name);
}
