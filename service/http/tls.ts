import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import type { OwnCheck } from '#schemas/status.ts';
import { TLS } from '#schemas/wording/operations.ts';
import { readSettingText } from '../files/setting-file.ts';
import { type WatchedFiles, watchFiles } from '../files/watched-files.ts';

type TlsFiles = {
  certFile: string;
  keyFile: string;
  /** If set: clients must show a certificate from one of these authorities. */
  clientCaFile?: string | undefined;
};

/** A server's certificate and key, and when the certificate ends. */
export type TlsMaterial = {
  options: SecureContextOptions & { minVersion: 'TLSv1.3' };
  /** Milliseconds since 1970: the end of the certificate that ends first. */
  expiresAt: number;
};

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @throws if one of them is invalid */
export const certificatesIn = (pem: string): X509Certificate[] =>
  (pem.match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));

function certificatesOf(setting: string, path: string, pem: string): X509Certificate[] {
  try {
    const certificates = certificatesIn(pem);
    if (certificates.length > 0) return certificates;
  } catch {
    // Said below.
  }
  throw new ConfigurationError(`${setting}: ${path} holds no certificate in PEM form.`);
}

/** @throws {ConfigurationError} naming the setting and the file */
async function readMaterial({ certFile, keyFile, clientCaFile }: TlsFiles): Promise<TlsMaterial> {
  const cert = await readSettingText('TLS_CERT_FILE', certFile);
  const key = await readSettingText('TLS_KEY_FILE', keyFile);
  const ca =
    clientCaFile === undefined
      ? undefined
      : await readSettingText('TLS_CLIENT_CA_FILE', clientCaFile);
  const chain = certificatesOf('TLS_CERT_FILE', certFile, cert);
  if (ca !== undefined) certificatesOf('TLS_CLIENT_CA_FILE', clientCaFile ?? '', ca);
  const options = { cert, key, ...(ca !== undefined && { ca }), minVersion: 'TLSv1.3' as const };
  try {
    createSecureContext(options);
  } catch (error) {
    const mismatch = error instanceof Error && /key values mismatch/i.test(error.message);
    throw new ConfigurationError(
      mismatch
        ? `TLS_KEY_FILE: ${keyFile} is not the key of the certificate in ${certFile}.`
        : `TLS_KEY_FILE: ${keyFile} holds no private key in PEM form that can be used without a passphrase.`,
    );
  }
  return { options, expiresAt: Math.min(...chain.map(({ validToDate }) => validToDate.getTime())) };
}

const DAY_MS = 86_400_000;
const TOLD_BEFORE_DAYS = 30;

/** What `/_status` says about the certificate, from a month before it ends and after a failed renewal. */
export function tlsCheck({ value, problem }: WatchedFiles<TlsMaterial>): OwnCheck {
  const name = 'tls:certificate';
  if (problem !== undefined) return { name, ok: false, detail: problem };
  const days = Math.floor((value.expiresAt - Date.now()) / DAY_MS);
  if (days < 0) return { name, ok: false, detail: TLS.expired };
  return days < TOLD_BEFORE_DAYS
    ? { name, ok: false, detail: TLS.endsSoon(days) }
    : { name, ok: true, detail: TLS.valid(days) };
}

/**
 * Reads certificate, key and client authorities, and follows their changes: a renewed certificate is used
 * for the next connection.
 *
 * @throws {ConfigurationError} one sentence that names the setting and the file
 */
export async function openTls(
  { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE, REREAD_SECONDS }: Configuration,
  onProblem: (sentence: string) => void,
): Promise<WatchedFiles<TlsMaterial> | undefined> {
  if (TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined) return undefined;
  const files = {
    certFile: TLS_CERT_FILE,
    keyFile: TLS_KEY_FILE,
    clientCaFile: TLS_CLIENT_CA_FILE,
  };
  const paths = Object.values(files).filter((path) => path !== undefined);
  return watchFiles(paths, () => readMaterial(files), {
    onProblem,
    everyMs: REREAD_SECONDS * 1_000,
  });
}
