import type { Bundle, BundleEntry, Resource } from '@medplum/fhirtypes';
import type { SearchType } from '#schemas/lookup.ts';
import { flaggedAdvice, notFlaggedAdvice } from '#schemas/wording/lookup.ts';
import { flagsOf, whoLookedOf } from '../lookup/answer.ts';
import type { Checked } from '../lookup/lookup.ts';
import { access } from './accesses.ts';
import { resourceId } from './ids.ts';
import { adviceOutcome } from './outcome.ts';
import type { Search } from './parameters.ts';
import { type Child, carePlan, careTeam, fhirFlag } from './plans.ts';

type Keyed = Checked & {
  /** Keys the ids of what is answered. */
  key: string;
};

type Found = {
  /** `unreadable`: the resources exist but cannot be shown, which is not the same as none. */
  matches: Resource[] | 'unreadable';
  included: Resource[];
  advice: string[];
};

function find(type: SearchType, search: Search, checked: Keyed): Found {
  const { result, coverage, authorities, key } = checked;
  const { nhsNumber, supporting } = search;
  if (result.kind === 'not-flagged') {
    const advice = notFlaggedAdvice(coverage.coverage, undefined, result.at);
    return { matches: [], included: [], advice };
  }
  const child: Child = { nhsNumber, key };
  const flags = flagsOf(result.plans, authorities, coverage.upToDate);
  const advice = flaggedAdvice(flags, coverage.coverage, whoLookedOf(result.accesses));
  switch (type) {
    case 'CareTeam':
      return { matches: flags.map((flag) => careTeam(child, flag)), included: [], advice };
    case 'Flag': {
      const plans = supporting ? flags.map((flag) => carePlan(child, flag)) : [];
      const teams = supporting ? flags.map((flag) => careTeam(child, flag)) : [];
      return { matches: [fhirFlag(child, flags, plans)], included: [...plans, ...teams], advice };
    }
    case 'AuditEvent': {
      if (typeof result.accesses === 'string') {
        return { matches: 'unreadable', included: [], advice };
      }
      const accesses = result.accesses.map((listed) => access(child, listed, supporting));
      // A person who looked on several days is one person.
      const people = new Map(
        accesses.flatMap(({ person }) => (person ? [[person.id, person]] : [])),
      );
      return {
        matches: accesses.map(({ event }) => event),
        included: supporting ? [...people.values()] : [],
        advice,
      };
    }
  }
}

/**
 * The answer to a search: the matches, what they refer to if that was asked for, and last an outcome with the
 * words for a clinician, which a negative must always have. Nothing is paged, and the `self` link leaves the
 * number out. `id` is the audit id. `total` is left out if the resources cannot be read.
 *
 * @param base absolute, of this FHIR service
 * @throws whatever is wrong with what is held: the caller then answers could-not-check
 */
export function searchset(type: SearchType, search: Search, checked: Keyed, base: string): Bundle {
  const { matches, included, advice } = find(type, search, checked);
  const found = matches === 'unreadable' ? [] : matches;
  const { result, coverage } = checked;
  const complete =
    coverage.coverage.complete &&
    !(result.kind === 'flagged' && typeof result.accesses === 'string');
  const entry = (resource: Resource, mode: 'match' | 'include'): BundleEntry => ({
    fullUrl: `${base}/${resource.resourceType}/${resource.id}`,
    resource,
    search: { mode },
  });
  return {
    resourceType: 'Bundle',
    id: checked.auditId,
    type: 'searchset',
    timestamp: new Date(checked.result.at).toISOString(),
    ...(matches !== 'unreadable' && { total: matches.length }),
    link: [{ relation: 'self', url: `${base}/${search.path}${search.query}` }],
    entry: [
      ...found.map((resource) => entry(resource, 'match')),
      ...included.map((resource) => entry(resource, 'include')),
      {
        // It has no address of its own.
        fullUrl: `urn:uuid:${resourceId(checked.key, 'OperationOutcome', search.nhsNumber, ...advice)}`,
        resource: adviceOutcome(advice, complete),
        search: { mode: 'outcome' },
      },
    ],
  };
}
