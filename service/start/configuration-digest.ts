import { createHash } from 'node:crypto';
import type { LookupEvent } from '#schemas/audit/audit-event.ts';
import type { Configuration } from '#schemas/configuration.ts';
import type { Organisation } from '#schemas/people/care-setting.ts';
import { FUNCTIONS_VERSION } from '#store/functions/functions.ts';
import { type Identities, organisationsOf } from '../admission/identities.ts';
import type { TrustedIssuer } from '../admission/issuers.ts';

/**
 * The part of a configuration that decides who may look and what is answered, and its digest, which every
 * audit event names. It includes no address, path or secret.
 */
function digestConfiguration(
  configuration: Configuration,
  issuers: readonly TrustedIssuer[],
  organisations: ReadonlyMap<string, Organisation>,
  signIn: readonly unknown[] = [],
) {
  const { ROLE, UP_TO_DATE_HOURS, MINIMUM_COVERAGE, MINIMUM_COVERAGE_ACCEPTED_BY } = configuration;
  const { USER_LIMIT, CLIENT_LIMIT, ORGANISATION_LIMIT } = configuration;
  const accepted = issuers.map(
    ({ keys: _keys, introspection: _introspection, ...issuer }) => issuer,
  );
  const limits = { USER_LIMIT, CLIENT_LIMIT, ORGANISATION_LIMIT };
  const settings = { UP_TO_DATE_HOURS, MINIMUM_COVERAGE, ...limits };
  // Without a provider the digest is that of a version without sign-in: the same rules have one digest.
  const providers = signIn.length === 0 ? [] : [signIn];
  const text = JSON.stringify([settings, accepted, [...organisations.values()], ...providers]);
  return {
    digest: createHash('sha256').update(text).digest('hex').slice(0, 12),
    detail: {
      role: ROLE,
      upToDateHours: UP_TO_DATE_HOURS,
      ...(MINIMUM_COVERAGE !== undefined && { minimumCoverage: MINIMUM_COVERAGE }),
      ...(MINIMUM_COVERAGE_ACCEPTED_BY !== undefined && {
        minimumCoverageAcceptedBy: MINIMUM_COVERAGE_ACCEPTED_BY,
      }),
      issuers: issuers.map(({ issuer }) => issuer).join(' '),
      organisations: organisations.size,
    },
  };
}

type ConfigurationDigest = {
  versions: LookupEvent['versions'];
  detail: Record<string, string | number>;
};

/** The configuration in force, described again whenever other organisations are registered. */
export function createConfigurationDigest(
  configuration: Configuration,
  identities: Identities,
  isDemo: () => boolean | undefined,
  signIn: readonly unknown[],
): () => ConfigurationDigest {
  let described: ConfigurationDigest | undefined;
  let organisationsThen = 0;
  let demoThen: boolean | undefined;
  return () => {
    const organisations = identities.organisations?.version ?? 0;
    const demo = isDemo();
    if (described === undefined || organisations !== organisationsThen || demo !== demoThen) {
      organisationsThen = organisations;
      demoThen = demo;
      const { digest, detail } = digestConfiguration(
        configuration,
        identities.issuers,
        organisationsOf(identities, demo),
        signIn,
      );
      described = {
        versions: { functions: FUNCTIONS_VERSION, configuration: digest },
        detail: { ...detail, configuration: digest },
      };
    }
    return described;
  };
}
