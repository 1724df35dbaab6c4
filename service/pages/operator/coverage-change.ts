import { notFlaggedAdvice } from '#schemas/wording/lookup.ts';
import { EXPECTED } from '#schemas/wording/operator-councils.ts';
import { type CoverageState, coverageOf, type Directory } from '../../lookup/coverage.ts';
import { table } from '../desk/parts.ts';
import { type Html, html } from '../html/html.ts';
import { paragraph } from '../html/parts.ts';
import { type OperatorDependencies, said } from './operator.ts';

type CoverageDependencies = Pick<OperatorDependencies, 'limits' | 'now'> & { readiness: Directory };

/** What a lookup that finds nothing says about whom it covers: the rest of its advice is the same for all. */
const saysOf = ({ coverage }: CoverageState, now: number): string[] =>
  notFlaggedAdvice(coverage, undefined, now).slice(2);

/** What lookups that find nothing would say after a change of the councils that are known or expected. */
export function coverageChange(
  { readiness, limits, now = Date.now }: CoverageDependencies,
  change: Partial<Pick<Directory, 'authorities' | 'expected'>>,
): Html {
  const { authorities, expected, dataset } = readiness;
  const at = now();
  const present: Directory = { authorities, expected, dataset };
  const [before, after] = [present, { ...present, ...change }].map((directory) =>
    coverageOf(directory, at, limits),
  ) as [CoverageState, CoverageState];
  const share = (dataset && limits.minimumShare[dataset.kind]) ?? 1;
  const least = share.toLocaleString('en-GB', { style: 'percent', maximumFractionDigits: 2 });
  const warning =
    before.negativesAllowed === after.negativesAllowed
      ? undefined
      : after.negativesAllowed
        ? before.coverage.area === undefined
          ? EXPECTED.begins
          : EXPECTED.risesAbove
        : EXPECTED.dropsBelow(least);
  const toldText = ({ negativesAllowed }: CoverageState): string =>
    negativesAllowed ? EXPECTED.told : EXPECTED.notTold;
  const rows = [
    [EXPECTED.counted, before.coverage.expected, after.coverage.expected],
    [EXPECTED.upToDate, before.coverage.upToDate, after.coverage.upToDate],
    [EXPECTED.notFound, toldText(before), toldText(after)],
  ] as const;
  return html`<p class="cpf-strong">${EXPECTED.thenNamed(after.coverage.expected)}</p>
${warning !== undefined && html`<p class="cpf-strong">${warning}</p>`}
${table(EXPECTED.changes, EXPECTED.changeColumns, rows)}
${
  after.negativesAllowed &&
  html`<h2 class="nhsuk-heading-m">${EXPECTED.thenSays}</h2>
${saysOf(after, at).map((text) => paragraph(html`<bdi>${said(text)}</bdi>`))}`
}`;
}
