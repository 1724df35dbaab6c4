import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * What takes longest on two cores. A clean checkout remembers no durations, and vitest would begin with the files that
 * have most lines: a short file that runs for a minute would be left alone at the end.
 */
export const LONGEST = [
  'failover/failover',
  'failover/lost-disks',
  'service/start/start',
  'service/cli/cli',
  'service/pages/browser',
  'promises/intake-faults',
  'service/cli/intake',
  'service/cli/repair',
  'store/trust/replicas',
  'service/routes/security',
  'promises/never-by-accident',
  'service/start/signals',
  'loaders/synthetic/generate',
  'service/cli/audit',
  'service/audit/search',
  'operating',
  'promises/old-copy',
  'promises/foreign-dataset',
  'service/pages/council-acts-browser',
  'service/start/upgrade',
  'service/cli/withdraw',
  'service/mesh/mesh',
  'service/pages/council-browser',
  'promises/audit-faults',
  'promises/audit-before-answer',
  'service/pages/desks',
  'service/pages/officer-browser',
  'service/start/previous-version',
  'service/pages/operator-browser',
  'schemas/plans/new-plan-type',
].map((name) => `tests/${name}.test.ts`);

/** How early a file begins; those that are not among the longest are equal. */
export function turnOf(path: string): number {
  const place = LONGEST.findIndex((file) => path.endsWith(`/${file}`));
  return place === -1 ? LONGEST.length : place;
}

/** Begins with the longest files, so that the workers end together. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- a sequencer's, which sorts a copy
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => turnOf(one.moduleId) - turnOf(other.moduleId));
  }
}
