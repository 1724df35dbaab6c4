import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allThresholdsSchema, unscheduledThresholdsSchema } from '#schemas/alert-thresholds.ts';
import { ChildrenCounted } from '#service/audit/alert/children-counted.ts';
import { fortnight, type Look, sealedLooks, THEFTS } from '../tests/support/fortnight.ts';
import { readOptions } from './options.ts';

/**
 * `npm run bench:alerts`: the alerts that made-up fortnights at ten sites give, how soon whole thefts are
 * noticed, and what counting costs, in processor time. For trying other thresholds.
 */

const HELP = `npm run bench:alerts -- [options]

  --seeds 10            fortnights
  --unscheduled 20/60/400   as ALERT_UNSCHEDULED_CHILDREN
  --all 300/600         as ALERT_CHILDREN`;

const options = readOptions(HELP, {
  seeds: { type: 'string', default: '10' },
  unscheduled: { type: 'string' },
  all: { type: 'string' },
});

const thresholds = {
  unscheduled: unscheduledThresholdsSchema.parse(options.unscheduled),
  all: allThresholdsSchema.parse(options.all),
};
const EVENTS_A_STEP = 4_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Counts lookups in a file of its own. */
function run(looks: readonly Look[]) {
  const folder = mkdtempSync(join(tmpdir(), 'cpf-alerts-'));
  const file = ChildrenCounted.open(folder, { thresholds, numberKey: 'key' });
  try {
    file.begin('bench', 0);
    const events = sealedLooks(looks);
    const before = process.cpuUsage();
    let expireAt = 0;
    for (let from = 0; from < events.length; from += EVENTS_A_STEP) {
      const step = events.slice(from, from + EVENTS_A_STEP);
      const at = step.at(-1)?.event.at ?? 0;
      file.count(step, at);
      if (at < expireAt) continue;
      file.expire();
      expireAt = at + HOUR_MS;
    }
    const { user, system } = process.cpuUsage(before);
    const us = (user + system) / events.length;
    const mib = statSync(join(folder, 'enumeration.sqlite')).size / 1_048_576;
    return { alerts: file.unrecorded(), us, mib };
  } finally {
    file.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

for (let seed = 1; seed <= Number(options.seeds); seed++) {
  const looks = fortnight(seed);
  const { alerts, us, mib } = run(looks);
  const about = alerts.map(
    ({ caller, sign, count, windowSeconds }) =>
      `${caller.user} (${sign}, ${count} in ${windowSeconds} s)`,
  );
  console.log(
    `Fortnight ${seed}: ${looks.length} lookups, ${us.toFixed(1)} us each, ${mib.toFixed(1)} MiB, ${alerts.length} alerts of people at work: ${about.join(', ')}`,
  );
}
for (const [name, make] of Object.entries(THEFTS)) {
  const looks = make();
  const { alerts, us } = run(looks);
  const [first] = alerts;
  const minutes = (Date.parse(first?.occurredAt ?? '') - (looks[0]?.at ?? 0)) / MINUTE_MS;
  console.log(
    `${name}: noticed ${first === undefined ? 'never' : `after ${minutes.toFixed(1)} minutes and ${first.count} children`}, ${alerts.length} alerts in all, ${us.toFixed(1)} us a lookup`,
  );
}
