import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import { isCareSetting, type Organisation } from '#schemas/people/care-setting.ts';
import type { OwnCheck } from '#schemas/status.ts';
import { ADMISSION } from '#schemas/wording/operations.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import { type WatchedFiles, watchFiles } from '../files/watched-files.ts';
import { openDemoIssuer } from './demo-issuer.ts';
import { listed } from './issuer-keys.ts';
import { readIssuers, readOrganisations, type TrustedIssuer } from './issuers.ts';
import { DEMO_ORGANISATIONS } from './personas.ts';
import { type Revocations, readRevocations } from './revocations.ts';

export type Organisations = ReadonlyMap<string, Organisation>;

/** The trusted issuers and the registered settings, from files. */
export type Identities = {
  issuers: readonly TrustedIssuer[];
  /** Undefined if no file is configured. */
  organisations: WatchedFiles<Organisations> | undefined;
  revocations: Revocations | undefined;
  stop: () => void;
};

/**
 * Reads the configured files and follows their changes.
 *
 * @throws {ConfigurationError} one sentence that names the setting, the file and what is wrong
 */
export async function readIdentities(
  { ISSUERS_FILE, ORGANISATIONS_FILE, REVOCATIONS_FILE, REREAD_SECONDS }: Configuration,
  onProblem: (sentence: string) => void,
): Promise<Identities> {
  const rereadMs = REREAD_SECONDS * 1_000;
  const files = { rereadMs, onProblem };
  const stops: (() => void)[] = [];
  const stop = (): void => {
    for (const each of stops) each();
  };
  try {
    const issuers = ISSUERS_FILE === undefined ? [] : await readIssuers(ISSUERS_FILE, files);
    for (const { keys } of issuers) stops.push(keys.stop);
    const organisations =
      ORGANISATIONS_FILE === undefined
        ? undefined
        : await watchFiles([ORGANISATIONS_FILE], () => readOrganisations(ORGANISATIONS_FILE), {
            everyMs: rereadMs,
            onProblem,
          });
    if (organisations !== undefined) stops.push(organisations.stop);
    const revocations =
      REVOCATIONS_FILE === undefined ? undefined : await readRevocations(REVOCATIONS_FILE, files);
    if (revocations !== undefined) stops.push(revocations.stop);
    return { issuers, organisations, revocations, stop };
  } catch (error) {
    stop();
    throw error;
  }
}

/**
 * What the dataset's kind requires. A live one must have issuers and organisations, and keys from https; if
 * it may be a demo, the demo issuer is added, which no live dataset ever accepts.
 *
 * @throws {ConfigurationError}
 */
export async function completeIdentities(
  identities: Identities,
  { ISSUERS_FILE, ORGANISATIONS_FILE, DATA_DIR }: Configuration,
  kind: Dataset['kind'] | undefined,
): Promise<Identities> {
  if (kind !== 'live') {
    const { trusted } = await openDemoIssuer(DATA_DIR);
    return { ...identities, issuers: [...identities.issuers, trusted] };
  }
  const missing = Object.entries({ ISSUERS_FILE, ORGANISATIONS_FILE }).filter(([, path]) => !path);
  if (missing.length > 0) {
    const names = missing.map(([name]) => name).join(' and ');
    throw new ConfigurationError(`${names}: required, because the dataset is live.`);
  }
  const unprotected = identities.issuers.find(({ demoOnly }) => demoOnly);
  if (unprotected !== undefined) {
    throw new ConfigurationError(
      `ISSUERS_FILE: every address of ${unprotected.issuer} must begin with https, because the dataset is live.`,
    );
  }
  return identities;
}

const NONE: Organisations = new Map();

/** The organisations registered now; those of the demo only for a demo without its own file. */
export const organisationsOf = (
  { organisations }: Identities,
  demo: boolean | undefined,
): Organisations => organisations?.value ?? (demo === true ? DEMO_ORGANISATIONS : NONE);

/** Whose tokens can be judged. One issuer without keys leaves only its own users without answers. */
function issuersCheck(issuers: readonly TrustedIssuer[]): OwnCheck {
  const name = 'access:issuers';
  const problems = issuers.flatMap(({ issuer, keys, introspection }) =>
    [keys.problem, introspection?.problem].flatMap((problem) =>
      problem === undefined ? [] : [`${issuer}: ${problem}`],
    ),
  );
  const passedOver = issuers.flatMap(({ issuer, keys }) =>
    keys.passedOver.length === 0
      ? []
      : [` ${ADMISSION.keysPassedOver(issuer, listed(keys.passedOver))}`],
  );
  return {
    name,
    ok: problems.length === 0,
    stops: !issuers.some(({ keys }) => keys.usable),
    detail: `${problems.join(' ') || ADMISSION.issuers(issuers.length)}${passedOver.join('')}`,
  };
}

function organisationsCheck(
  { organisations }: Identities,
  registered: Organisations,
  registeredOnly: boolean,
): OwnCheck {
  const name = 'access:organisations';
  if (registeredOnly && ![...registered.values()].some(({ setting }) => isCareSetting(setting))) {
    return {
      name,
      ok: false,
      stops: true,
      detail: ADMISSION.noCareSetting,
    };
  }
  const problem = organisations?.problem;
  return {
    name,
    ok: problem === undefined,
    detail: problem ?? ADMISSION.organisations(registered.size),
  };
}

/**
 * What `/_status` says about them. A file that cannot be read again leaves nobody without an answer; if
 * nobody can be answered, the check says that it stops lookups.
 */
export function identityChecks(identities: Identities, demo: boolean | undefined): OwnCheck[] {
  const { issuers, organisations, revocations } = identities;
  const believed = issuers.filter(({ demoOnly }) => !demoOnly || demo !== false);
  if (demo === false && (believed.length === 0 || organisations === undefined)) {
    return [{ name: 'access:issuers', ok: false, stops: true, detail: ADMISSION.becameLive }];
  }
  return [
    issuersCheck(believed),
    organisationsCheck(identities, organisationsOf(identities, demo), demo === false),
    ...(revocations === undefined
      ? []
      : [
          {
            name: 'access:revocations' as const,
            ok: revocations.problem === undefined,
            detail: revocations.problem ?? ADMISSION.revocations,
          },
        ]),
  ];
}
