import type { Configuration } from '#schemas/configuration.ts';
import { folderPlace } from './folder-place.ts';
import type { Place } from './place.ts';
import { type BucketSettings, s3Place } from './s3-place.ts';

/** The location of the second copy, in a form that a thread can be given. */
export type PlaceSettings = { folder: string } | BucketSettings;

const ANSWERS_WITHIN_MS = 10_000;

/** The settings of the second copy, for the help. Code that reads another does not compile. */
export const COPY_SETTINGS = [
  'AUDIT_COPY',
  'AUDIT_COPY_ENDPOINT',
  'AUDIT_COPY_REGION',
  'AUDIT_COPY_CREDENTIALS_FILE',
  'AUDIT_COPY_PRUNE_CREDENTIALS_FILE',
] as const satisfies readonly (keyof Configuration)[];

/** Where the configuration puts the second copy; `undefined` if there should be none. */
export function placeSettings(
  configuration: Pick<Configuration, (typeof COPY_SETTINGS)[number]>,
): PlaceSettings | undefined {
  const { AUDIT_COPY, AUDIT_COPY_ENDPOINT, AUDIT_COPY_REGION, AUDIT_COPY_CREDENTIALS_FILE } =
    configuration;
  const { AUDIT_COPY_PRUNE_CREDENTIALS_FILE: pruneCredentialsFile } = configuration;
  if (AUDIT_COPY === undefined) return undefined;
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(AUDIT_COPY) ?? [];
  if (bucket === undefined) return { folder: AUDIT_COPY };
  return {
    bucket,
    prefix,
    region: AUDIT_COPY_REGION,
    endpoint: AUDIT_COPY_ENDPOINT ?? `https://s3.${AUDIT_COPY_REGION}.amazonaws.com`,
    ...(AUDIT_COPY_CREDENTIALS_FILE !== undefined && {
      credentialsFile: AUDIT_COPY_CREDENTIALS_FILE,
    }),
    ...(pruneCredentialsFile !== undefined && { pruneCredentialsFile }),
  };
}

export const openPlace = (settings: PlaceSettings): Place =>
  'folder' in settings
    ? folderPlace(settings.folder, ANSWERS_WITHIN_MS)
    : s3Place(settings, ANSWERS_WITHIN_MS);
