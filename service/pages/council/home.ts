import { COUNCIL } from '#schemas/wording/council.ts';
import type { Store } from '#store/store.ts';
import type { Mountable } from '../../routes/route.ts';
import type { DeskDependencies } from '../desk/guarded-desk.ts';
import { summary } from '../desk/parts.ts';
import { html } from '../html/html.ts';
import { heading, paragraph } from '../html/parts.ts';
import { timeOfYearText } from '../html/time.ts';
import { freshness } from './freshness.ts';
import { guardedCouncil } from './guarded-council.ts';

export type CouncilHomeDependencies = DeskDependencies & {
  store: Pick<Store, 'authority'>;
  /** How old an authority's data may be before it counts as out of date. */
  upToDateMs: number;
};

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
