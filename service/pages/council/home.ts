import { listWithdrawals } from '#loaders/upkeep/withdraw.ts';
import { type Authority, lastFileNumber } from '#schemas/authority.ts';
import { COUNCIL } from '#schemas/wording/council.ts';
import { shortTimeText, timeText } from '#schemas/wording/times.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import type { Mountable } from '../../routes/route.ts';
import type { Previews } from '../../uploads/previews.ts';
import type { DeskDependencies } from '../desk/guarded-desk.ts';
import { summary } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { heading, link, paragraph } from '../html/parts.ts';
import { dueOf, freshness } from './freshness.ts';
import { type AtCouncil, guardedCouncil } from './guarded-council.ts';
import { HELD_PATH } from './outcome.ts';
import { senderOf } from './upload.ts';
import { UPLOAD_PATH, waitingItems } from './upload-view.ts';
import { WITHDRAWALS_PATH } from './withdrawals.ts';

type CouncilHomeDependencies = DeskDependencies & {
  store: Store;
  anchor: Pick<Anchor, 'heldFiles' | 'loadInProgress'>;
  readiness: Pick<Readiness, 'open'>;
  previews: Pick<Previews, 'waitingFor'>;
  /** How old an authority's data may be before it counts as out of date. */
  upToDateMs: number;
};

/** What waits for this person (their files) and for somebody of the council (a new file, held files, withdrawals), with links. */
async function whatWaits(
  { store, anchor, previews, upToDateMs }: CouncilHomeDependencies,
  at: AtCouncil,
  authority: Authority,
): Promise<Html | false> {
  const { authority: code } = at;
  const due = dueOf(authority, upToDateMs);
  const isLate = due === undefined || due <= Date.now();
  const unsent = await previews.waitingFor(senderOf(at));
  const files = anchor.heldFiles().filter(({ authority }) => authority === code).length;
  const withdrawals = (await listWithdrawals(store, anchor, code)).filter(
    ({ standing }) => standing === 'waiting',
  ).length;
  return (
    (isLate || files + withdrawals + unsent.length > 0) &&
    html`<h2 class="nhsuk-heading-m">${COUNCIL.waiting}</h2>
<ul class="nhsuk-list">
${isLate && html`<li><strong>${due === undefined ? COUNCIL.noneLoaded : COUNCIL.overdue(timeText(due))}</strong> ${link(UPLOAD_PATH, COUNCIL.sendFile)}</li>`}
${waitingItems(unsent)}
${files > 0 && html`<li>${link(HELD_PATH, COUNCIL.heldFiles(files))}</li>`}
${withdrawals > 0 && html`<li>${link(WITHDRAWALS_PATH, COUNCIL.withdrawals(withdrawals))}</li>`}
</ul>`
  );
}

/** `GET /council`: the state of a council's own plans here. */
export const councilHome: Mountable<CouncilHomeDependencies> = {
  operation: { method: 'GET', path: '/council', letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (_, at) => {
      const { page, session, authority: code } = at;
      const authority = await dependencies.store.authority(code);
      const title = authority?.name ?? COUNCIL.unknown;
      if (authority === undefined) {
        const { name } = session.role.organisation;
        return page({
          title,
          content: html`${heading(title)}${paragraph(COUNCIL.unknownThen(name, code))}`,
        });
      }
      const { dataAsOf, rows } = authority;
      return page({
        title,
        content: html`${heading(html`<bdi>${title}</bdi>`)}
${await whatWaits(dependencies, at, authority)}
<h2 class="nhsuk-heading-m">${COUNCIL.held}</h2>
${summary([
  [COUNCIL.dataAsOf, dataAsOf === undefined ? COUNCIL.neverLoaded : shortTimeText(dataAsOf)],
  [COUNCIL.lastFile, lastFileNumber(authority)],
  [COUNCIL.plans, rows],
])}
${freshness(authority, dependencies, Date.now())}`,
      });
    }),
};
