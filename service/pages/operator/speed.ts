import { londonIso } from '#schemas/calendar.ts';
import { ANSWERING } from '#schemas/wording/operator.ts';
import { SECONDS } from '../../telemetry/metrics.ts';
import { barChart, type ChartPoint, lineChart } from '../desk/charts.ts';
import { type Html, html } from '../html/html.ts';
import { paragraph } from '../html/parts.ts';
import type { LastHour } from './processes.ts';

type Minute = {
  label: string;
  /** `undefined` for a minute for which no process reported anything. */
  figures: { lookups: number; couldNotCheck: number; took: readonly number[] } | undefined;
};

const MINUTE_MS = 60_000;
const OVER_MS = 1_000 * (SECONDS.at(-1) ?? 0) + 1;

/** The bound in milliseconds within which a share of requests was answered; `undefined` if there were none. */
export function answeredWithinMs(took: readonly number[], share: number): number | undefined {
  const all = took.reduce((sum, each) => sum + each, 0);
  if (all === 0) return undefined;
  let counted = 0;
  const bucket = took.findIndex((each) => (counted += each) >= Math.ceil(all * share));
  const bound = SECONDS[bucket];
  return bound === undefined ? OVER_MS : bound * 1_000;
}

const added = (all: readonly (readonly number[])[]): number[] =>
  Array.from({ length: SECONDS.length + 1 }, (_, i) =>
    all.reduce((sum, took) => sum + (took[i] ?? 0), 0),
  );

function minutesOf(lastHour: LastHour): Minute[] {
  return lastHour.map(({ minute, processes }) => ({
    label: londonIso(minute * MINUTE_MS).slice(11, 16),
    figures:
      processes.length === 0
        ? undefined
        : {
            lookups: processes.reduce((sum, each) => sum + each.lookups, 0),
            couldNotCheck: processes.reduce((sum, each) => sum + each.couldNotCheck, 0),
            took: added(processes.map(({ took }) => took)),
          },
  }));
}

const millisecondsText = (value: number): string =>
  value >= OVER_MS ? ANSWERING.over : String(value);
const withinText = (value: number): string =>
  value >= OVER_MS ? ANSWERING.over : ANSWERING.within(String(value));

/** How many lookups there were in each minute, how many could not be checked, and how long requests took. */
export function speed(lastHour: LastHour): Html {
  const minutes = minutesOf(lastHour);
  const known = minutes.flatMap(({ figures }) => figures ?? []);
  const took = added(known.map((each) => each.took));
  const lookups = known.reduce((sum, each) => sum + each.lookups, 0);
  const failed = known.reduce((sum, each) => sum + each.couldNotCheck, 0);
  const [half, most] = [answeredWithinMs(took, 0.5), answeredWithinMs(took, 0.99)];
  const points = (of: (figures: NonNullable<Minute['figures']>) => number | undefined) =>
    minutes.map(({ label, figures }): ChartPoint => ({ label, value: figures && of(figures) }));
  const { charts } = ANSWERING;
  return html`${paragraph(
    `${ANSWERING.speedSum(lookups, failed)} ${
      half === undefined || most === undefined
        ? ANSWERING.noRequests
        : ANSWERING.speedTook(withinText(half), withinText(most))
    }`,
  )}
${barChart({ title: charts.lookups, columns: [charts.minute, charts.lookupsColumn], points: points((each) => each.lookups) })}
${barChart({ title: charts.failed, columns: [charts.minute, charts.failedColumn], points: points((each) => each.couldNotCheck) })}
${lineChart({ title: charts.half, columns: [charts.minute, charts.millisecondsColumn], text: millisecondsText, points: points((each) => answeredWithinMs(each.took, 0.5)) })}
${lineChart({ title: charts.most, columns: [charts.minute, charts.millisecondsColumn], text: millisecondsText, points: points((each) => answeredWithinMs(each.took, 0.99)) })}`;
}
