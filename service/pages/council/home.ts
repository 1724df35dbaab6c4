import { listWithdrawals } from '#loaders/upkeep/withdraw.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { COUNCIL } from '#schemas/wording/council.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { Mountable } from '../../routes/route.ts';
import type { DeskDependencies } from '../desk/guarded-desk.ts';
import { summary } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { heading, link, paragraph } from '../html/parts.ts';
import { timeOfYearText } from '../html/time.ts';
import { freshness } from './freshness.ts';
import { guardedCouncil } from './guarded-council.ts';
import { HELD_PATH } from './outcome.ts';
import { WITHDRAWALS_PATH } from './withdrawals.ts';

type CouncilHomeDependencies = DeskDependencies & {
  store: Store;
  anchor: Pick<Anchor, 'heldFiles'>;
  /** How old an authority's data may be before it counts as out of date. */
  upToDateMs: number;
};

/** Held files and withdrawals that wait for somebody of the council, with links to them. */
async function whatWaits(
  { store, anchor }: Pick<CouncilHomeDependencies, 'store' | 'anchor'>,
  code: OdsCode,
): Promise<Html | false> {
  const files = anchor.heldFiles().filter(({ authority }) => authority === code).length;
  const withdrawals = (await listWithdrawals(store, code)).filter(
    ({ standing }) => standing === 'waiting',
  ).length;
  return (
    files + withdrawals > 0 &&
    html`<h2 class="nhsuk-heading-m">${COUNCIL.waiting}</h2>
<ul class="nhsuk-list">
${files > 0 && html`<li>${link(HELD_PATH, COUNCIL.heldFiles(files))}</li>`}
${withdrawals > 0 && html`<li>${link(WITHDRAWALS_PATH, COUNCIL.withdrawals(withdrawals))}</li>`}
</ul>`
  );
}

/** `GET /council`: how a council's own plans stand here. */
export const councilHome: Mountable<CouncilHomeDependencies> = {
  operation: { method: 'GET', path: '/council', letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (_, { page, session, authority: code }) => {
      const authority = await dependencies.store.authority(code);
      const title = authority?.name ?? COUNCIL.unknown;
      if (authority === undefined) {
        const { name } = session.role.organisation;
        return page({
          title,
          content: html`${heading(title)}${paragraph(COUNCIL.unknownThen(name, code))}`,
        });
      }
      const { dataAsOf, sequence, sequenceOffset = 0, rows } = authority;
      return page({
        title,
        content: html`${heading(html`<bdi>${title}</bdi>`)}
${await whatWaits(dependencies, code)}
<h2 class="nhsuk-heading-m">${COUNCIL.held}</h2>
${summary([
  [
    COUNCIL.dataAsOf,
    dataAsOf === undefined ? COUNCIL.neverLoaded : timeOfYearText(Date.parse(dataAsOf)),
  ],
  [COUNCIL.lastFile, sequence === undefined ? undefined : sequence - sequenceOffset],
  [COUNCIL.plans, rows],
])}
${freshness(authority, dependencies.upToDateMs, Date.now())}`,
      });
    }),
};
