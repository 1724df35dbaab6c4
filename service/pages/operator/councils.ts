import { listHeldFiles } from '#loaders/upkeep/held-files.ts';
import type { Authority } from '#schemas/authority.ts';
import { FRESHNESS, OPERATOR } from '#schemas/wording/operator.ts';
import { COUNCIL_SETTINGS, EXPECTED } from '#schemas/wording/operator-councils.ts';
import { shortTimeText } from '#schemas/wording/times.ts';
import { coverageOf } from '../../lookup/coverage.ts';
import type { Mountable } from '../../routes/route.ts';
import { COUNCILS_PAGE, OPERATOR_DESK } from '../desk/desks.ts';
import { guardedDesk } from '../desk/guarded-desk.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { heading, link, paragraph } from '../html/parts.ts';
import { lastFileText, stateText } from './council-state.ts';
import { filePath } from './files.ts';
import { type OperatorDependencies, said } from './operator.ts';

type Council = { code: string; name: string; authority: Authority | undefined };

/** `GET /operator/councils`: who is behind, since when, and what came last. */
export const operatorCouncils: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: COUNCILS_PAGE, letsIn: 'operate' },
  handler: (dependencies) => {
    const { readiness, limits, anchor, now = Date.now } = dependencies;

    return guardedDesk(dependencies, OPERATOR_DESK, async (_, { page }) => {
      const { authorities, expected } = readiness;
      const at = now();
      const { upToDate, coverage } = coverageOf(readiness, at, limits);
      const held = Map.groupBy(listHeldFiles(anchor), ({ authority }) => authority);
      const councils: Council[] = [
        ...[...authorities.values()].map((authority) => ({ ...authority, authority })),
        ...(expected?.authorities ?? [])
          .filter(({ code }) => !authorities.has(code))
          .map((each) => ({ ...each, authority: undefined })),
      ];
      const sinceOf = ({ code, authority }: Council): number =>
        upToDate.has(code) ? Number.POSITIVE_INFINITY : Date.parse(authority?.dataAsOf ?? '') || 0;
      const ordered = councils.toSorted(
        (a, b) => sinceOf(a) - sinceOf(b) || a.name.localeCompare(b.name, 'en-GB'),
      );
      const rows = await Promise.all(
        ordered.map(async (council) => {
          const { code, name, authority } = council;
          const isUpToDate = upToDate.has(code);
          const state = stateText(authority, isUpToDate, { now: at, ...limits });
          const waits = (held.get(authority?.code ?? ('' as never)) ?? []).map(
            (file): Html => html`<br>${link(filePath(file), FRESHNESS.waits(file.number))}`,
          );
          return [
            html`<a class="nhsuk-link" href="/operator/councils/${code}"><bdi>${said(name)}</bdi></a> ${code}`,
            html`${isUpToDate ? state : html`<strong>${state}</strong>`}${waits}`,
            authority?.dataAsOf === undefined ? '' : shortTimeText(authority.dataAsOf),
            await lastFileText(dependencies, authority),
            authority?.rows ?? '',
          ];
        }),
      );
      return page({
        title: FRESHNESS.title,
        content: html`${heading(FRESHNESS.title)}
${paragraph(councils.length === 0 ? FRESHNESS.none : FRESHNESS.lead(coverage.upToDate, coverage.expected))}
${!readiness.open && rows.length > 0 && html`<p class="cpf-strong">${FRESHNESS.notAnswered}</p>`}
<ul class="nhsuk-list">
<li>${link('/operator/expected', EXPECTED.title)}</li>
<li>${link('/operator/set-up', COUNCIL_SETTINGS.begin)}</li>
</ul>
${rows.length > 0 && table(FRESHNESS.caption, FRESHNESS.columns, rows)}
<p>${OPERATOR.byCommand} <code>cp-flags status</code>, <code>cp-flags authority list</code></p>`,
      });
    });
  },
};
