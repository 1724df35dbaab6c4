import { ANSWERED_LOCK_WAIT_MS } from '#loaders/load/lock.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import type { Acting } from '#loaders/upkeep/changing.ts';
import { type NhsNumber, parseNhsNumber, typedNhsNumber } from '#schemas/nhs-number.ts';
import { auditedCaller } from '#schemas/people/caller.ts';
import { COUNCIL } from '#schemas/wording/council.ts';
import { timeText } from '#schemas/wording/times.ts';
import type { Mountable } from '../../routes/route.ts';
import { type DeskDependencies, deskMessage } from '../desk/guarded-desk.ts';
import { readReason, reasonField } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import type { FieldError } from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';
import { type AtCouncil, councilAct } from './guarded-council.ts';

/** A person of a council who acts on what is held for it. */
export const actingOf = ({ caller }: AtCouncil): Acting & { lockWaitMs: number } => ({
  name: caller.identity.name,
  key: caller.userKey,
  caller: auditedCaller(caller.identity),
  lockWaitMs: ANSWERED_LOCK_WAIT_MS,
});

/** The NHS number in a field of a form, if it is one. */
export const numberIn = (fields: Fields, name: string): NhsNumber | undefined =>
  parseNhsNumber(typedNhsNumber(fields.get(name) ?? ''));

/**
 * Does something that may fail halfway, and says so if it does: it may already be done, or be finished
 * automatically later.
 *
 * @param list the page on which that can be seen
 */
export async function orFailed(
  council: AtCouncil,
  list: string,
  work: () => Promise<Response>,
): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof LoadFailed)) throw error;
    return council.page({
      ...deskMessage(COUNCIL.failed, COUNCIL.failedThen, list),
      status: 503,
    });
  }
}

/** What was typed in a form that is shown again, with its faults. */
export type Again = { fields?: Fields; errors?: readonly FieldError[] };

/** Who did something, and when. */
export const personAt = ({ name, at }: { name: string; at: string }): Html =>
  html`<bdi>${name}</bdi>, ${timeText(at)}`;

/** A form that asks only for a reason. */
export const reasonForm = (
  council: AtCouncil,
  { action, form, submit }: { action: string; form: string; submit: string },
  { fields, errors = [] }: Again,
): Html =>
  html`<form method="post" action="${action}" novalidate>${council.hidden(form)}
${reasonField(fields?.get('reason'), errors)}
<button class="nhsuk-button nhsuk-button--secondary" type="submit">${submit}</button></form>`;

/** Why nothing was changed. @param list shows what there is */
export const nothingChanged = (
  council: AtCouncil,
  title: string,
  why: string,
  list: string,
): Response => council.page({ ...deskMessage(title, why, list), status: 409 });

/** `POST PATH/:id/ACT`: an act on one of those that a council has. */
export const actOnOne = <D extends DeskDependencies>(
  { path, act, form }: { path: string; act: string; form: string },
  work: (dependencies: D, council: AtCouncil, id: string, fields: Fields) => Promise<Response>,
): Mountable<D> => ({
  operation: { method: 'POST', path: `${path}/:id/${act}`, letsIn: 'authority' },
  handler: (dependencies) =>
    councilAct(dependencies, { form }, (c, council, fields) =>
      orFailed(council, path, () => work(dependencies, council, c.req.param('id') ?? '', fields)),
    ),
});

/** An act on one, with {@link reasonForm}. @param page the page with the form */
export const actWithReason = <D extends DeskDependencies>(
  at: { path: string; act: string; form: string },
  page: (dependencies: D, council: AtCouncil, id: string, again: Again) => Promise<Response>,
  work: (dependencies: D, council: AtCouncil, id: string, reason: string) => Promise<Response>,
): Mountable<D> =>
  actOnOne(at, async (dependencies, council, id, fields) => {
    const reason = readReason(fields.get('reason'));
    return reason.kind === 'wrong'
      ? page(dependencies, council, id, { fields, errors: [reason.error] })
      : work(dependencies, council, id, reason.reason);
  });
