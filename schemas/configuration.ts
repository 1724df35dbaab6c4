import { resolve } from 'node:path';
import { z } from 'zod';
import { allThresholdsSchema, unscheduledThresholdsSchema } from './alert-thresholds.ts';
import { shortTextSchema } from './text.ts';
import { DEFAULT_BREAKERS } from './uploads/breakers.ts';
import { mailboxSchema, workflowSchema } from './uploads/mesh.ts';

const numberOf = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^[0-9]+(\.[0-9]+)?$/, { error: `must be a number from ${minimum} to ${maximum}` })
    .transform(Number)
    .pipe(
      z
        .number()
        .min(minimum, { error: `must be at least ${minimum}` })
        .max(maximum, { error: `must be at most ${maximum}` }),
    );
const number = (minimum: number, maximum: number, standard: number) =>
  numberOf(minimum, maximum).default(standard);

/** A limit that is not set has one standard for live data and another for a demo. */
const limit = () =>
  z
    .string()
    .regex(/^[0-9]{1,7}$/, { error: 'must be a whole number of requests a minute, 0 for no limit' })
    .transform(Number)
    .optional();

const otlpAddress = () =>
  z
    .url({
      protocol: /^https?$/,
      error: 'must be an address such as http://collector.example:4318',
    })
    .optional();

/** Environment variables, the only configuration there is. Each has its unit in its name or here. */
export const configurationSchema = z
  .object({
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
    /** The dataset that REDIS_URL is to hold. Required by a lookup process for a live dataset. */
    DATASET_ID: z.uuid({ error: 'must be the id that cp-flags init and status print' }).optional(),
    /** JSON file: trusted token issuers. Required outside a demo dataset. */
    ISSUERS_FILE: z.string().min(1).optional(),
    /** JSON file: care settings by ODS code. Required outside a demo dataset. */
    ORGANISATIONS_FILE: z.string().min(1).optional(),
    /** JSON file: tokens, users and clients that are trusted no longer. */
    REVOCATIONS_FILE: z.string().min(1).optional(),
    /** How often the files named here are looked at for changes. */
    REREAD_SECONDS: number(0.01, 60, 5),
    /** Requests a minute of one user, client, organisation; 0 is no limit. Not set: none for a demo. */
    USER_LIMIT: limit(),
    CLIENT_LIMIT: limit(),
    ORGANISATION_LIMIT: limit(),
    /** Above so many children a minute, hour and day that a user looks up in unscheduled care there is an alert. */
    ALERT_UNSCHEDULED_CHILDREN: unscheduledThresholdsSchema,
    /** The same for all lookups of a user, an hour and a day. */
    ALERT_CHILDREN: allThresholdsSchema,
    /** Folder of alerts for the privacy officer. Default: `privacy-officer` in DATA_DIR. */
    PRIVACY_OUTBOX: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional(),
    /** PEM files: with both, the service speaks TLS 1.3 itself. */
    TLS_CERT_FILE: z.string().min(1).optional(),
    TLS_KEY_FILE: z.string().min(1).optional(),
    /** PEM file: only clients with a certificate of one of these authorities are let in. */
    TLS_CLIENT_CA_FILE: z.string().min(1).optional(),
    /** Told to stop, the service says so in `/_status` and goes on answering for this long. */
    DRAIN_SECONDS: number(0, 300, 0),
    /** Lookups that a process has under way at the same time, an eighth while it is slow; what comes beyond is refused at once. */
    LOOKUPS_AT_ONCE: number(1, 100_000, 256).pipe(z.int({ error: 'must be a whole number' })),
    /** An authority is up to date while its last good file is younger than this. */
    UP_TO_DATE_HOURS: number(1, 8784, 72),
    /**
     * Below this share of expected authorities up to date, a negative becomes could-not-check. Required, with
     * the next, of a live dataset; not set: 0.5 for a demo.
     */
    MINIMUM_COVERAGE: numberOf(0, 1).optional(),
    /** The Clinical Safety Officer who accepted it. */
    MINIMUM_COVERAGE_ACCEPTED_BY: shortTextSchema.optional(),
    /** JSON file: the authorities that a dataset is to hold plans of. Required to create a live one. */
    EXPECTED_AUTHORITIES_FILE: z.string().min(1).optional(),
    /** How NHS numbers in uploads are traced: not at all (a demo only), or in TRACING_REGISTER_FILE. */
    TRACING: z.enum(['none', 'register']).default('none'),
    /** CSV: NHS numbers with their state, dates of birth and names. */
    TRACING_REGISTER_FILE: z.string().min(1).optional(),
    /** ODS codes of authorities whose acknowledgements repeat refused records with their NHS numbers. */
    ACK_ECHO: z
      .string()
      .regex(/^[A-Z0-9]{3,12}( ?, ?[A-Z0-9]{3,12})*$/, {
        error: 'must be ODS codes separated by commas',
      })
      .transform((text) => text.split(/ ?, ?/))
      .default([]),
    /** Largest upload, MiB. */
    MAX_UPLOAD_MIB: number(1, 4096, 64),
    /** The workflow id of uploads in MESH; without it an inbox takes no `.dat`/`.ctl` pairs. */
    MESH_WORKFLOW_ID: workflowSchema.optional(),
    /** The workflow id of their acknowledgements. Default: the one above with `_ACK`. */
    MESH_ACK_WORKFLOW_ID: workflowSchema.optional(),
    /** Our mailbox, where files for others come into the same folder. */
    MESH_MAILBOX: mailboxSchema.optional(),
    /** JSON file: which authority each mailbox sends for. Required for pairs outside a demo dataset. */
    MESH_MAILBOXES_FILE: z.string().min(1).optional(),
    /** A file in the inbox is read once it has not changed for this long. */
    INBOX_SETTLE_SECONDS: number(0, 3600, 5),
    INBOX_POLL_SECONDS: number(0.05, 3600, 5),
    /** How long half a `.dat`/`.ctl` pair may wait for the other before that is told. */
    INBOX_PAIR_WAIT_MINUTES: number(0, 1440, 15),
    /** How long sources stay in the folder `done` once acknowledged. */
    INBOX_KEEP_DAYS: number(0, 366, 0),
    /** How many authorities' files are loaded at the same time. */
    INBOX_PARALLEL: number(1, 32, 4).pipe(z.int({ error: 'must be a whole number' })),
    /** Shares of an authority's plans in force, and of a file's records; see `schemas/uploads/breakers.ts`. */
    REMOVALS_WARN_SHARE: number(0, 1, DEFAULT_BREAKERS.removalsWarnShare),
    REMOVALS_STOP_SHARE: number(0, 1, DEFAULT_BREAKERS.removalsStopShare),
    REFUSED_WARN_SHARE: number(0, 1, DEFAULT_BREAKERS.refusedWarnShare),
    REFUSED_STOP_SHARE: number(0, 1, DEFAULT_BREAKERS.refusedStopShare),
    /** Multiples of what an authority usually sends, and adds. */
    ROWS_WARN_TIMES: number(1, 1_000_000, DEFAULT_BREAKERS.rowsWarnTimes),
    ADDITIONS_STOP_TIMES: number(1, 1_000_000, DEFAULT_BREAKERS.additionsStopTimes),
    /** How long what is held waits for somebody's word before it is discarded. */
    HELD_DAYS: number(1, 366, 30),
    /** The sealed audit log's folder. Default: `audit` in DATA_DIR. One file system for all workers. */
    AUDIT_DIR: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional(),
    /** The file of the key that signs it. Default: `audit-key` in DATA_DIR. */
    AUDIT_KEY_FILE: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional(),
    /** The log's name, which its key is made with: an address without its scheme, once and for all. */
    AUDIT_ORIGIN: z
      .string()
      .regex(/^[^\s+]{1,200}$/, { error: 'must be a name without spaces and plus signs' })
      .optional(),
    /** How long audit events are kept. */
    AUDIT_RETENTION_YEARS: number(1, 100, 26).pipe(z.int({ error: 'must be a whole number' })),
    /** ODS code of the operating organisation, whose privacy officers see the whole audit. */
    OPERATOR_ODS_CODE: z
      .string()
      .regex(/^[A-Z0-9]{3,12}$/, { error: 'must be an ODS code' })
      .optional(),
    /** Room on disk for events that are no answers while Redis is away, MiB a process. */
    AUDIT_SPOOL_MIB: number(1, 4096, 64),
    /** Of how much time a notification to an authority tells. Not set: 15, but for a demo 1. */
    NOTIFICATIONS_WINDOW_MINUTES: numberOf(0.001, 1440).optional(),
    /** How long notifications are kept, to be read again. */
    NOTIFICATIONS_KEEP_DAYS: number(1, 366, 90),
    /** Folder into which they are written as files. Not set: none, but for a demo `outbox` in DATA_DIR. */
    NOTIFICATIONS_OUTBOX: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional(),
    /** JSON file: formats, MESH mailbox and empty notifications by authority. */
    NOTIFICATIONS_FILE: z.string().min(1).optional(),
    /** The workflow id of notifications that go by MESH. */
    MESH_NOTIFICATION_WORKFLOW_ID: workflowSchema.optional(),
    /** Embedded Redis: memory limit, MiB. */
    REDIS_MAXMEMORY_MIB: number(16, 1_048_576, 1024).pipe(z.int()),
    /** Set: metrics for Prometheus at `/metrics` of this port, which must not be PORT; 0 for any free one. */
    METRICS_PORT: z
      .string()
      .regex(/^[0-9]{1,5}$/, { error: 'must be a whole number from 0 to 65535' })
      .transform(Number)
      .pipe(z.int().max(65_535, { error: 'must be at most 65535' }))
      .optional(),
    /** Of metrics alone. They hold no NHS number, but say much of how this service does. */
    METRICS_HOST: z.string().min(1).default('127.0.0.1'),
    /**
     * OpenTelemetry's own variables: with an address, traces and metrics are sent there (OTLP over HTTP, in
     * protobuf). `OTEL_EXPORTER_OTLP_HEADERS`, `_COMPRESSION`, `_CERTIFICATE` and the like, and
     * `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, count as well.
     */
    OTEL_EXPORTER_OTLP_ENDPOINT: otlpAddress(),
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otlpAddress(),
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: otlpAddress(),
    OTEL_EXPORTER_OTLP_PROTOCOL: z
      .literal('http/protobuf', {
        error: 'must be http/protobuf, which is all that is spoken here',
      })
      .default('http/protobuf'),
    /** Of one attempt with its repeats, milliseconds; so are the next two. */
    OTEL_EXPORTER_OTLP_TIMEOUT: number(10, 60_000, 10_000),
    OTEL_METRIC_EXPORT_INTERVAL: number(100, 3_600_000, 60_000),
    OTEL_BSP_SCHEDULE_DELAY: number(10, 60_000, 5_000),
    /** Which requests are traced, beside those that a caller's `traceparent` says are. */
    OTEL_TRACES_SAMPLER: z
      .enum([
        'parentbased_traceidratio',
        'parentbased_always_on',
        'parentbased_always_off',
        'always_off',
      ])
      .default('parentbased_traceidratio'),
    /** The share of other requests that parentbased_traceidratio traces. */
    OTEL_TRACES_SAMPLER_ARG: number(0, 1, 0),
    OTEL_SDK_DISABLED: z
      .string()
      .transform((text) => text.toLowerCase() === 'true')
      .default(false),
    /** What was deployed, repeated by `/_ping` and `/_status`. */
    RELEASE_ID: z.string().min(1).max(100).optional(),
    COMMIT_ID: z.string().min(1).max(100).optional(),
    /** Default info; warn for a demo, whose output a person reads. */
    LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
  })
  .refine(
    ({ TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE }) =>
      TLS_CERT_FILE !== undefined || (TLS_KEY_FILE ?? TLS_CLIENT_CA_FILE) === undefined,
    { path: ['TLS_CERT_FILE'], error: 'required, because another TLS setting is there' },
  )
  .refine(
    ({ TLS_CERT_FILE, TLS_KEY_FILE }) => TLS_CERT_FILE === undefined || TLS_KEY_FILE !== undefined,
    { path: ['TLS_KEY_FILE'], error: 'required, because TLS_CERT_FILE is set' },
  )
  .refine(
    ({ PORT, METRICS_PORT }) =>
      METRICS_PORT === undefined || METRICS_PORT === 0 || METRICS_PORT !== PORT,
    { path: ['METRICS_PORT'], error: 'must not be PORT: metrics are not for those who look up' },
  )
  .refine(
    ({ TRACING, TRACING_REGISTER_FILE }) =>
      TRACING !== 'register' || TRACING_REGISTER_FILE !== undefined,
    {
      path: ['TRACING_REGISTER_FILE'],
      error: 'required, because TRACING is register',
    },
  )
  .refine(
    ({ TRACING, TRACING_REGISTER_FILE }) =>
      TRACING === 'register' || TRACING_REGISTER_FILE === undefined,
    {
      path: ['TRACING'],
      error: 'must be register, because TRACING_REGISTER_FILE is set',
    },
  );
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
