import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ConfigurationError } from '#schemas/configuration.ts';
import { type Organisation, organisationsFileSchema } from '#schemas/people/care-setting.ts';
import { type ClaimMapping, type Issuer, issuersFileSchema } from '#schemas/people/identity.ts';
import { readSettingFile } from '../files/setting-file.ts';
import { watchFiles } from '../files/watched-files.ts';
import { mappingOf } from './claims.ts';
import { createIntrospection, type Introspection } from './introspection.ts';
import {
  type IssuerKeys,
  type KeySet,
  keySetSchema,
  remoteKeys,
  UnusableKeys,
  usableKeys,
} from './issuer-keys.ts';

/** An issuer whose tokens are accepted. */
export type TrustedIssuer = {
  issuer: string;
  audience: string;
  algorithms: readonly Issuer['algorithms'][number][];
  /** The `typ` that tokens must have; if it is not set, a type that access tokens have. */
  type?: string | undefined;
  clockToleranceSeconds: number;
  maxTokenAgeSeconds?: number | undefined;
  mapping: ClaimMapping;
  keys: IssuerKeys;
  /** Resolves its tokens other than JWTs. */
  introspection?: Introspection | undefined;
  /** Accepted for a demo dataset only: the demo's own, and one whose keys or token information come unprotected. */
  demoOnly: boolean;
};

export type FileOptions = {
  /** How often files are checked for changes. */
  rereadMs: number;
  onProblem: (sentence: string) => void;
};

/** Keys in a file, read again when it changes. */
async function fileKeys(
  path: string,
  algorithms: Issuer['algorithms'],
  { rereadMs, onProblem }: FileOptions,
): Promise<IssuerKeys> {
  async function read(): Promise<KeySet> {
    const set = await readSettingFile('ISSUERS_FILE', path, keySetSchema);
    try {
      return await usableKeys(set, algorithms);
    } catch (error) {
      if (!(error instanceof UnusableKeys)) throw error;
      throw new ConfigurationError(`ISSUERS_FILE: ${path} ${error.message}.`);
    }
  }
  const files = await watchFiles([path], read, { everyMs: rereadMs, onProblem });
  return {
    find: (header, token) => files.value.find(header, token),
    usable: true,
    get passedOver() {
      return files.value.passedOver;
    },
    get version() {
      return files.version;
    },
    get problem() {
      return files.problem;
    },
    stop: files.stop,
  };
}

/**
 * Reads ISSUERS_FILE and starts to follow the keys it names: files (relative to its own folder), and
 * addresses, which need not answer yet. The file itself is read once: changing who is trusted takes a
 * restart.
 *
 * @throws {ConfigurationError} one sentence that names the setting, the file and what is wrong
 */
export async function readIssuers(path: string, options: FileOptions): Promise<TrustedIssuer[]> {
  const issuers = await readSettingFile('ISSUERS_FILE', path, issuersFileSchema);
  if (new Set(issuers.map(({ issuer }) => issuer)).size !== issuers.length) {
    throw new ConfigurationError(`ISSUERS_FILE: ${path} names an issuer twice.`);
  }
  const trusted: TrustedIssuer[] = [];
  try {
    for (const { jwksFile, jwksUrl, claims, introspection, ...issuer } of issuers) {
      const keys =
        jwksUrl === undefined
          ? await fileKeys(resolve(dirname(path), jwksFile ?? ''), issuer.algorithms, options)
          : remoteKeys(jwksUrl, issuer.algorithms, options);
      trusted.push({
        ...issuer,
        mapping: mappingOf(claims),
        keys,
        ...(introspection !== undefined && {
          introspection: await openIntrospection(path, issuer, introspection),
        }),
        demoOnly: [jwksUrl, introspection?.url, introspection?.userinfoUrl].some(
          (address) => address?.startsWith('http:') === true,
        ),
      });
    }
    return trusted;
  } catch (error) {
    for (const { keys } of trusted) keys.stop();
    throw error;
  }
}

async function openIntrospection(
  path: string,
  { issuer, audience }: Pick<Issuer, 'issuer' | 'audience'>,
  { clientSecretFile, ...asked }: NonNullable<Issuer['introspection']>,
): Promise<Introspection> {
  const secretPath = resolve(dirname(path), clientSecretFile);
  const clientSecret = await readFile(secretPath, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  if (clientSecret === '') {
    throw new ConfigurationError(`ISSUERS_FILE: ${secretPath} cannot be read, or is empty.`);
  }
  return createIntrospection({ issuer, audience, clientSecret, ...asked });
}

/**
 * Reads ORGANISATIONS_FILE: which organisations are care settings, and which are known not to be, by ODS
 * code.
 *
 * @throws {ConfigurationError} one sentence that names the setting, the file and what is wrong
 */
export async function readOrganisations(path: string): Promise<Map<string, Organisation>> {
  const organisations = await readSettingFile('ORGANISATIONS_FILE', path, organisationsFileSchema);
  const byCode = new Map(organisations.map((organisation) => [organisation.code, organisation]));
  if (byCode.size !== organisations.length) {
    throw new ConfigurationError(`ORGANISATIONS_FILE: ${path} names an organisation twice.`);
  }
  return byCode;
}
