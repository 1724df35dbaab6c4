import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The files that take longest on two cores. In a clean checkout no durations are remembered, and vitest would start
 * with the files that have the most lines. A short file that runs for a minute would then be left to the end.
 */
export const LONGEST = [
  'failover/failover',
  'service/pages/browser',
  'store/trust/replicas',
  'service/start/signals',
  'promises/intake-faults',
  'promises/kill-faults',
  'service/cli/repair',
  'service/start/start',
  'promises/never-by-accident',
  'service/pages/small-screen',
  'service/start/bad-input',
  'failover/lost-disks',
  'service/routes/security',
  'service/mesh/mesh',
  'service/pages/council-acts-browser',
  'service/pages/council-browser',
  'loaders/formats/new-format',
  'service/start/upgrade',
  'store/connection/sentinels',
  'service/pages/officer-browser',
  'service/pages/operator-decisions',
  'promises/protected-places',
  'service/pages/council',
  'service/admission/abuse',
  'promises/audit-faults',
  'operating',
  'service/start/previous-version',
  'service/pages/session-end-browser',
  'service/standby/state-copy',
  'promises/old-copy',
  'promises/old-log',
  'promises/foreign-dataset',
  'promises/waiting-records',
  'service/pages/other-tabs-browser',
  'service/pages/unknown-endings',
  'service/audit/copy',
  'store/session-endings',
  'service/mesh/mesh-client',
  'service/pages/operator-browser',
  'service/description/integrating',
].map((name) => `tests/${name}.test.ts`);

/** How early a file starts. Files that are not among the longest are all equal. */
export function turnOf(path: string): number {
  const place = LONGEST.findIndex((file) => path.endsWith(`/${file}`));
  return place === -1 ? LONGEST.length : place;
}

/** Starts with the longest files, so that all workers end at about the same time. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- a sequencer's, which sorts a copy
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => turnOf(one.moduleId) - turnOf(other.moduleId));
  }
}
