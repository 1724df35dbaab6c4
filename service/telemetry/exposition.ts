// By hand, since OpenTelemetry's exporter for Prometheus keeps the whole SDK in memory in every process
// (decision 26); promtool checks the output.

import type { Distribution, Labels, Reading } from './instruments.ts';

/**
 * Metrics in the text format of Prometheus, version 0.0.4, under the names that OpenTelemetry's rules give
 * them there: dots become underscores, units are written out, counters end in `_total`.
 */

const UNIT_WORDS: Partial<Record<string, string>> = { s: 'seconds', By: 'bytes', '1': 'ratio' };

const underscored = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_]/g, '_');

function nameOf({ name, unit, kind }: Reading): string {
  const word = UNIT_WORDS[unit];
  return `${underscored(name)}${word === undefined ? '' : `_${word}`}${kind === 'counter' ? '_total' : ''}`;
}

const escaped = (value: string): string =>
  value.replaceAll(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));

function seriesOf(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(
    ([key, text]) => `${underscored(key)}="${escaped(text)}"`,
  );
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join()}}`} ${value}\n`;
}

function histogramOf(name: string, labels: Labels, { bounds, counts, sum }: Distribution): string {
  let text = '';
  let count = 0;
  for (const [bucket, inBucket] of counts.entries()) {
    count += inBucket;
    const le = String(bounds[bucket] ?? '+Inf');
    text += seriesOf(`${name}_bucket`, { ...labels, le }, count);
  }
  return `${text}${seriesOf(`${name}_sum`, labels, sum)}${seriesOf(`${name}_count`, labels, count)}`;
}

/** A page for Prometheus. A metric without a value at present is left out. */
export function exposition(readings: readonly Reading[]): string {
  let page = '';
  for (const reading of readings) {
    if (reading.points.length === 0) continue;
    const name = nameOf(reading);
    page += `# HELP ${name} ${reading.description}\n# TYPE ${name} ${reading.kind}\n`;
    page +=
      reading.kind === 'histogram'
        ? reading.points.map((of) => histogramOf(name, of.labels, of.distribution)).join('')
        : reading.points.map(({ labels, value }) => seriesOf(name, labels, value)).join('');
  }
  return page;
}
