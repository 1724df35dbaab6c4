import { resolve } from 'node:path';
import { z } from 'zod';

const number = (minimum: number, maximum: number, standard: number) =>
  z
    .string()
    .regex(/^[0-9]+(\.[0-9]+)?$/, { error: `must be a number from ${minimum} to ${maximum}` })
    .transform(Number)
    .pipe(
      z
        .number()
        .min(minimum, { error: `must be at least ${minimum}` })
        .max(maximum, { error: `must be at most ${maximum}` }),
    )
    .default(standard);

/** Environment variables, the only configuration there is. Each has its unit in its name or here. */
export const configurationSchema = z.object({
  /** `all`, `lookup` (stateless, scales out) or `worker`. */
  ROLE: z.enum(['all', 'lookup', 'worker']).default('all'),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: number(0, 65_535, 8080).pipe(z.int({ error: 'must be a whole number' })),
  /** The address by which clients reach the service, with which links in FHIR begin. Default: theirs. */
  PUBLIC_URL: z
    .string()
    .regex(/^https?:\/\/[^\s/?#]+(\/[^\s?#]*)?$/, {
      error: 'must be an address such as https://flags.example',
    })
    .transform((url) => url.replace(/\/+$/, ''))
    .optional(),
  /** Where the embedded Redis, the anchor, spools and demo files live. */
  DATA_DIR: z
    .string()
    .min(1)
    .default('.data')
    .transform((path) => resolve(path)),
  /** Where the anchor lies, for a disk or backup of its own. Default: `anchor` in the data folder. */
  ANCHOR_DIR: z
    .string()
    .min(1)
    .transform((path) => resolve(path))
    .optional(),
  /** Set: that Redis is used, and none is started. */
  REDIS_URL: z
    .string()
    .regex(/^(redis|rediss|unix):\/\//, {
      error: 'must start with redis://, rediss:// or unix://',
    })
    .optional(),
  /** A file holding the password for REDIS_URL, so that it need not stand in the environment. */
  REDIS_PASSWORD_FILE: z.string().min(1).optional(),
  /** JSON file: trusted token issuers. Required outside a demo dataset. */
  ISSUERS_FILE: z.string().min(1).optional(),
  /** JSON file: care settings by ODS code. Required outside a demo dataset. */
  ORGANISATIONS_FILE: z.string().min(1).optional(),
  /** An authority is up to date while its last good file is younger than this. */
  UP_TO_DATE_HOURS: number(1, 8784, 72),
  /** Below this share of expected authorities up to date, a negative becomes could-not-check. */
  MINIMUM_COVERAGE: number(0, 1, 0.5),
  /** Largest upload, MiB. */
  MAX_UPLOAD_MIB: number(1, 4096, 64),
  /** Embedded Redis: memory limit, MiB. */
  REDIS_MAXMEMORY_MIB: number(16, 1_048_576, 1024).pipe(z.int()),
  /** What was deployed, repeated by `/_ping` and `/_status`. */
  RELEASE_ID: z.string().min(1).max(100).optional(),
  COMMIT_ID: z.string().min(1).max(100).optional(),
  /** Default info; warn for a demo, whose output a person reads. */
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
});
export type Configuration = z.infer<typeof configurationSchema>;

/** A setting that cannot be used; the message is one sentence a setting. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
}

/**
 * Reads the configuration from an environment. Variables it does not know are left alone (the
 * environment is shared); an empty variable counts as not set.
 *
 * @throws {ConfigurationError} naming every setting that is wrong, and how it should be. The values are
 * not repeated: some are secrets.
 */
export function readConfiguration(environment: NodeJS.ProcessEnv): Configuration {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = configurationSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new ConfigurationError(
    parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}.`).join(' '),
  );
}
