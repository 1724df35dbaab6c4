import { createHash } from 'node:crypto';
import type { Organisation } from '#schemas/care-setting.ts';
import type { Configuration } from '#schemas/configuration.ts';
import type { TrustedIssuer } from './auth/issuers.ts';

/**
 * What of a configuration decides who may look and what is answered, and its digest, by which every
 * audit event names it. No address, path or secret is part of it.
 */
export function describeConfiguration(
  configuration: Configuration,
  issuers: readonly TrustedIssuer[],
  organisations: ReadonlyMap<string, Organisation>,
) {
  const { ROLE, UP_TO_DATE_HOURS, MINIMUM_COVERAGE } = configuration;
  const accepted = issuers.map(({ issuer, audience, algorithms }) => ({
    issuer,
    audience,
    algorithms,
  }));
  const settings = { UP_TO_DATE_HOURS, MINIMUM_COVERAGE };
  const text = JSON.stringify([settings, accepted, [...organisations.values()]]);
  return {
    digest: createHash('sha256').update(text).digest('hex').slice(0, 12),
    detail: {
      role: ROLE,
      upToDateHours: UP_TO_DATE_HOURS,
      minimumCoverage: MINIMUM_COVERAGE,
      issuers: issuers.map(({ issuer }) => issuer).join(' '),
      organisations: organisations.size,
    },
  };
}
