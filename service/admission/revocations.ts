import type { Revocation } from '#schemas/people/identity.ts';
import { revocationsFileSchema } from '#schemas/people/identity.ts';
import { readSettingFile } from '../files/setting-file.ts';
import { watchFiles } from '../files/watched-files.ts';
import type { FileOptions } from './issuers.ts';

/** The users, clients and tokens no longer trusted. */
export type Revocations = {
  has(token: { issuer: string; jti: string | undefined; user: string; client: string }): boolean;
  /** Rises with each change: anything verified before is judged again. */
  readonly version: number;
  readonly problem: string | undefined;
  stop: () => void;
};

const keyOf = (issuer: string, kind: 'jti' | 'user' | 'client', value: string): string =>
  JSON.stringify([issuer, kind, value]);

function keyOfRevocation(revocation: Revocation): string {
  const { issuer } = revocation;
  if ('jti' in revocation) return keyOf(issuer, 'jti', revocation.jti);
  if ('user' in revocation) return keyOf(issuer, 'user', revocation.user);
  return keyOf(issuer, 'client', revocation.client);
}

/**
 * Reads REVOCATIONS_FILE and follows its changes.
 *
 * @throws {ConfigurationError} one sentence that names the setting, the file and what is wrong
 */
export async function readRevocations(
  path: string,
  { rereadMs, onProblem }: FileOptions,
): Promise<Revocations> {
  const files = await watchFiles(
    [path],
    async () =>
      new Set(
        (await readSettingFile('REVOCATIONS_FILE', path, revocationsFileSchema)).map(
          keyOfRevocation,
        ),
      ),
    { everyMs: rereadMs, onProblem },
  );
  return {
    has: ({ issuer, jti, user, client }) =>
      files.value.has(keyOf(issuer, 'user', user)) ||
      files.value.has(keyOf(issuer, 'client', client)) ||
      (jti !== undefined && files.value.has(keyOf(issuer, 'jti', jti))),
    get version() {
      return files.version;
    },
    get problem() {
      return files.problem;
    },
    stop: files.stop,
  };
}
