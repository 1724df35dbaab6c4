import { looksCsv, notificationsCsv } from '#loaders/answers/notification.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { type NhsNumber, parseNhsNumber, typedNhsNumber } from '#schemas/nhs-number.ts';
import { type NotificationId, notificationIdSchema } from '#schemas/notification.ts';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import type { Store } from '#store/store.ts';
import {
  changedLooks,
  type Looks,
  newestLooks,
  notificationsRead,
  notifiedNumbers,
  type OfChild,
  onlyOf,
} from '../../notifications/looks.ts';
import { NotificationFile } from '../../notifications/notification-file.ts';
import type { Mountable } from '../../routes/route.ts';
import { download } from '../desk/download.ts';
import type { DeskDependencies } from '../desk/guarded-desk.ts';
import { textField } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { button, heading, link, paragraph } from '../html/parts.ts';
import { readForm } from '../session/forms.ts';
import { type AtCouncil, guardedCouncil } from './guarded-council.ts';
import { looksTable, missingLooks } from './looks-table.ts';

export type LooksDependencies = DeskDependencies & {
  /** The folder of the sealed log and the notifications. */
  auditFolder: string;
  store: Pick<Store, 'appendEvent' | 'restrictions' | 'readRows'>;
  /** What one notification covers, in milliseconds; it differs between live and demo data. */
  notifiedEveryMs: () => number;
};

const PATH = '/council/looks';
const FORM = 'council-looks';
const NOTIFICATIONS_A_PIECE = 100;
const CHARACTERS_A_PIECE = 1_048_576;

/** Looks about to be shown; recorded as given to their authority. */
export async function readLooks(
  { auditFolder, store }: Pick<LooksDependencies, 'auditFolder' | 'store'>,
  at: Pick<AtCouncil, 'ids' | 'caller' | 'authority'>,
  which: { before?: NotificationId | undefined; of?: OfChild | undefined },
): Promise<Looks> {
  const looks = await newestLooks(auditFolder, at.authority, which);
  const { read } = looks;
  if (read !== undefined) {
    await store.appendEvent(notificationsRead(at, { upTo: read.newest, count: read.count }));
  }
  return looks;
}

/** The NHS number that was typed, if it may be one. */
export const numberTyped = (typed: string): NhsNumber | undefined =>
  parseNhsNumber(typedNhsNumber(typed));

/**
 * Whose looks the typed text asks for: a number, or the council's own id, which may look like a number. Looks
 * by barred users have no plan, and so no such id: they are matched by the council's restrictions and plans.
 */
async function childOf(
  { auditFolder, store }: Pick<LooksDependencies, 'auditFolder' | 'store'>,
  authority: OdsCode,
  typed: string,
): Promise<OfChild> {
  const nhsNumber = numberTyped(typed);
  const { numbers, barred } = await notifiedNumbers(auditFolder, authority, typed);
  for (const restriction of await store.restrictions(authority)) {
    if (restriction.localId === typed) numbers.add(restriction.nhsNumber);
  }
  const rows = await store.readRows([...barred].flatMap((number) => parseNhsNumber(number) ?? []));
  for (const [number, held] of rows) {
    const isTheirs = (row: (typeof held)[number]): boolean =>
      row.authority === authority && row.localId === typed;
    if (held.some(isTheirs)) numbers.add(number);
  }
  if (nhsNumber !== undefined) numbers.add(nhsNumber);
  return numbers;
}

type Shown = {
  child: string;
  isMissing?: boolean;
  before: NotificationId | undefined;
  looks: Looks | undefined;
};

/** The form belongs to no act, so it may be sent again. */
function looksPage(
  at: AtCouncil,
  { forms, notifiedEveryMs }: LooksDependencies,
  { child, isMissing = false, before, looks }: Shown,
) {
  const token = forms.token({ form: FORM, owner: at.session.id });
  const hidden = html`<input type="hidden" name="token" value="${token}">`;
  const errors = isMissing ? [{ field: 'child', text: LOOKS.childMissing }] : [];
  const older = looks?.before;
  const now = Date.now();
  const missing =
    looks && missingLooks(looks.listedUntil, { until: now, windowMs: notifiedEveryMs(), now });
  const none = before !== undefined ? LOOKS.noMore : child === '' ? LOOKS.none : LOOKS.noneOfChild;
  const again = (fields: Record<string, string>, text: string): Html =>
    html`<form method="post" action="${PATH}" novalidate>${hidden}<input type="hidden" name="child" value="${child}">
${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<button class="nhsuk-button nhsuk-button--secondary" type="submit">${text}</button></form>`;
  return at.page({
    title: LOOKS.title,
    errors,
    content: html`${heading(LOOKS.title)}${paragraph(LOOKS.lead)}
<form method="post" action="${PATH}" novalidate>${hidden}
${textField({ name: 'child', label: LOOKS.child, hint: LOOKS.childHint, value: child, errors, width: 20 })}
${button(LOOKS.show)}</form>
${child !== '' && html`<p>${link(PATH, LOOKS.all)}</p>`}
${before === undefined && missing !== undefined && paragraph(missing)}
${looks !== undefined && (looks.entries.length === 0 ? paragraph(none) : looksTable(LOOKS.table, looks.entries))}
${older !== undefined && (child === '' ? html`<p><a class="nhsuk-link" rel="next" href="${PATH}?before=${older}">${LOOKS.older}</a></p>` : again({ before: older }, LOOKS.older))}
${before !== undefined && child === '' && html`<p>${link(PATH, LOOKS.newest)}</p>`}
${paragraph(LOOKS.kept)}
${again({ as: 'csv' }, child === '' ? LOOKS.download : LOOKS.downloadThese)}`,
  });
}

/** `GET /council/looks`: who looked at the council's children, the newest first. */
export const councilLooks: Mountable<LooksDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (c, at) => {
      const asked = c.req.query('before');
      const before = notificationIdSchema.safeParse(asked).data;
      if (asked !== undefined && before === undefined) return at.notFound();
      const looks = await readLooks(dependencies, at, { before });
      return looksPage(at, dependencies, { child: '', before, looks });
    }),
};

/**
 * `POST /council/looks`: the same for one child, whose number must not be in an address; or as a file, in the columns of
 * `GET /notifications`. A link from elsewhere would leave that on a computer whose user did not ask for it.
 */
export const councilLooksOfChild: Mountable<LooksDependencies> = {
  operation: { method: 'POST', path: PATH, letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (c, at) => {
      const fields = await readForm(c.env);
      if (typeof fields === 'string') return { code: fields };
      const code = at.refusalOf(fields, { form: FORM });
      if (code !== undefined) return { code };
      const child = (fields.get('child') ?? '').trim();
      const before = notificationIdSchema.safeParse(fields.get('before')).data;
      if (child === '' && fields.get('as') === 'csv') {
        return csv(at.authority, pieces(dependencies, at));
      }
      if (child === '') {
        return looksPage(at, dependencies, { child, isMissing: true, before, looks: undefined });
      }
      const of = await childOf(dependencies, at.authority, child);
      if (fields.get('as') === 'csv') return csv(at.authority, pieces(dependencies, at, of));
      const looks = await readLooks(dependencies, at, { before, of });
      return looksPage(at, dependencies, { child, before, looks });
    }),
};

const csv = (authority: OdsCode, text: AsyncGenerator<string>): Response =>
  download(`looks-${authority}.csv`, 'text/csv; charset=utf-8', ReadableStream.from(bytesOf(text)));

async function* bytesOf(text: AsyncGenerator<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const piece of text) yield encoder.encode(piece);
}

/** The lines after the first, which names the columns. */
const withoutHead = (text: string): string => text.slice(text.indexOf('\n') + 1);

/** An authority's notifications from the oldest on, then later changes; each piece recorded before it is sent. */
async function* pieces(
  { auditFolder, store }: LooksDependencies,
  at: AtCouncil,
  of?: OfChild,
): AsyncGenerator<string> {
  yield notificationsCsv([]);
  // Read first: what is notified meanwhile is in both, and missing from neither.
  const changed = changedLooks(auditFolder, at.authority, of);
  let after = '';
  for (let more = true; more; ) {
    const found = NotificationFile.read(auditFolder, (file) =>
      file.page(at.authority, after, {
        most: NOTIFICATIONS_A_PIECE,
        mostCharacters: CHARACTERS_A_PIECE,
      }),
    );
    const last = found?.notifications.at(-1);
    if (found === undefined || last === undefined) break;
    const given =
      of === undefined
        ? found.notifications
        : found.notifications.flatMap((each) => onlyOf(each, of));
    if (given.length > 0) {
      const read = { upTo: last.id, count: given.length, ...(after !== '' && { after }) };
      await store.appendEvent(notificationsRead(at, read));
      yield withoutHead(notificationsCsv(given));
    }
    after = last.id;
    ({ more } = found);
  }
  const { entries, read } = changed;
  if (read === undefined) return;
  await store.appendEvent(notificationsRead(at, { upTo: read.newest, count: read.count }));
  yield withoutHead(looksCsv(entries));
}
