// One schema, since the help, the documents and the checks need every setting with its meaning, in one order.

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

/** An unset limit has one default for live data and another for a demo. */
const limit = () =>
  z
    .string()
    .regex(/^[0-9]{1,7}$/, { error: 'must be a whole number of requests a minute, 0 for no limit' })
    .transform(Number)
    .optional();

/** Source: NHS Digital, MESH API, polling. */
const MESH_POLL_AT_LEAST_SECONDS = 300;

/** Never without TLS, except on this machine: it is sent an access token and NHS numbers. */
const pdsAddress = () =>
  z
    .string()
    .regex(
      /^(https:\/\/[^\s/?#@]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?)(\/[^\s?#]*)?$/,
      { error: 'must be an https address without a query' },
    )
    .refine((text) => URL.canParse(text), { error: 'must be an address' })
    .transform((url) => url.replace(/\/+$/, ''))
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
    ROLE: z
      .enum(['all', 'lookup', 'worker'])
      .default('all')
      .describe(
        'What this process does: `all`, `lookup` or `worker`. Run as many lookup processes as you need.',
      ),
    HOST: z.string().min(1).default('127.0.0.1').describe('The address to listen on.'),
    PORT: number(0, 65_535, 8080)
      .pipe(z.int({ error: 'must be a whole number' }))
      .describe('The port to listen on.'),
    PUBLIC_URL: z
      .string()
      .regex(/^https?:\/\/[^\s/?#]+(\/[^\s?#]*)?$/, {
        error: 'must be an address such as https://flags.example',
      })
      .transform((url) => url.replace(/\/+$/, ''))
      .optional()
      .describe(
        'The address that clients and browsers use. Required, without a path, if SIGN_IN_FILE is set. FHIR links begin with it. If it is not set, they begin with the Host header of each request.',
      ),
    DATA_DIR: z
      .string()
      .min(1)
      .default('.data')
      .transform((path) => resolve(path))
      .describe('The folder for the embedded Redis, the anchor, spools and demo files.'),
    ANCHOR_DIR: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional()
      .describe(
        'The folder of the anchor. Set it to keep the anchor on another disk or in another backup. Default: `anchor` in DATA_DIR.',
      ),
    REDIS_URL: z
      .string()
      .regex(/^(redis|rediss|unix):\/\/|^rediss?\+sentinel:\/\/([^/@]*@)?[^/@]+\/[\w.-]+$/, {
        error:
          'must start with redis://, rediss:// or unix://, or be redis+sentinel://HOST:PORT,HOST:PORT/NAME (rediss+sentinel:// for TLS), with the name after `sentinel monitor`',
      })
      .optional()
      .describe(
        'If set, the service uses that Redis and starts none. `redis+sentinel://USER@HOST:PORT,HOST:PORT,HOST:PORT/NAME` asks sentinels which server is the primary.',
      ),
    REDIS_REPLICAS: number(0, 8, 0)
      .pipe(z.int({ error: 'must be a whole number' }))
      .describe(
        'How many replicas may be promoted. A write, such as the event of an answer, counts only once the replicas have it. See [Topologies](../topologies.md).',
      ),
    REDIS_CA_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('PEM file: the certificate authorities that certify the servers of `rediss`.'),
    REDIS_CERT_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('PEM file: the client certificate for `rediss`.'),
    REDIS_KEY_FILE: z.string().min(1).optional().describe('PEM file: the key of REDIS_CERT_FILE.'),
    REDIS_SENTINEL_USERNAME: z
      .string()
      .min(1)
      .optional()
      .describe('The user name with which this process signs in to sentinels.'),
    REDIS_SENTINEL_PASSWORD_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('A file that holds the password of REDIS_SENTINEL_USERNAME.'),
    REDIS_SENTINEL_CA_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('The same as REDIS_CA_FILE, but for sentinels. Default: REDIS_CA_FILE.'),
    REDIS_SENTINEL_CERT_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('The same as REDIS_CERT_FILE, but for sentinels. Default: REDIS_CERT_FILE.'),
    REDIS_SENTINEL_KEY_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('PEM file: the key of REDIS_SENTINEL_CERT_FILE.'),
    REDIS_PASSWORD_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('A file that holds the password for REDIS_URL, to keep it out of the environment.'),
    DATASET_ID: z
      .uuid({ error: 'must be the id that cp-flags init and status print' })
      .optional()
      .describe(
        'The id of the dataset that REDIS_URL must hold. Required for a lookup process with a live dataset.',
      ),
    ISSUERS_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('JSON file: trusted token issuers. Required outside a demo dataset.'),
    ORGANISATIONS_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('JSON file: care settings by ODS code. Required outside a demo dataset.'),
    REVOCATIONS_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('JSON file: tokens, users and clients that are no longer trusted.'),
    SIGN_IN_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'JSON file: OpenID providers with which people sign in to the pages for browsers. If it is not set there are no pages, except in a demo.',
      ),
    PASTED_LISTS_A_DAY: number(0, 100, 0)
      .pipe(z.int({ error: 'must be a whole number' }))
      .describe(
        'How many lists of up to 50 numbers each user with silent reads may paste into the pages for browsers in a day (London time). 0 switches lists off.',
      ),
    SESSION_KEYS_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File with the keys of browser sessions: one or two lines of 64 hexadecimal digits, the same for all processes behind one address. The first key is used for new sessions. Required for a lookup process if SIGN_IN_FILE is set. Default otherwise: `session-keys` in DATA_DIR.',
      ),
    REREAD_SECONDS: number(0.01, 60, 5).describe(
      'How often, in seconds, the files that settings name are checked for changes. While records wait to be traced, also how often PDS is tried again.',
    ),
    USER_LIMIT: limit().describe(
      'How many requests a minute one user may make; 0 means no limit. Not set: 120 for live data, no limit for a demo.',
    ),
    CLIENT_LIMIT: limit().describe(
      'How many requests a minute one client may make; 0 means no limit. Not set: 6,000 for live data, no limit for a demo.',
    ),
    ORGANISATION_LIMIT: limit().describe(
      'How many requests a minute one organisation may make; 0 means no limit. Not set: 1,200 for live data, no limit for a demo.',
    ),
    ALERT_UNSCHEDULED_CHILDREN: unscheduledThresholdsSchema.describe(
      'An alert fires when a user looks up more children in unscheduled care than this: in a minute/an hour/a day. Default: 20/60/400.',
    ),
    ALERT_CHILDREN: allThresholdsSchema.describe(
      'An alert fires when a user looks up more children in all than this: in an hour/a day. Default: 300/600.',
    ),
    PRIVACY_OUTBOX: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional()
      .describe(
        'Folder for alerts to the privacy officer. Default: `privacy-officer` in DATA_DIR.',
      ),
    TLS_CERT_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM file: the certificate. With it and TLS_KEY_FILE, the service itself serves https (TLS 1.3).',
      ),
    TLS_KEY_FILE: z.string().min(1).optional().describe('PEM file: the key of TLS_CERT_FILE.'),
    TLS_CLIENT_CA_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM file: if set, the service accepts only clients with a certificate from one of these certificate authorities.',
      ),
    DRAIN_SECONDS: number(0, 300, 0).describe(
      'For how many seconds the service still answers after it is told to stop. `/_status` says at once that it is stopping.',
    ),
    LOOKUPS_AT_ONCE: number(1, 100_000, 256)
      .pipe(z.int({ error: 'must be a whole number' }))
      .describe(
        'How many lookups a process works on at the same time. While it is slow, it works on an eighth of that. Further lookups are refused at once.',
      ),
    UP_TO_DATE_HOURS: number(1, 8784, 72).describe(
      'An authority is up to date while its last good file is younger than this number of hours.',
    ),
    MINIMUM_COVERAGE: numberOf(0, 1)
      .optional()
      .describe(
        'If a smaller share of the expected authorities is up to date, a negative becomes could-not-check. Required for a live dataset. Default for a demo: 0.5.',
      ),
    MINIMUM_COVERAGE_ACCEPTED_BY: shortTextSchema
      .optional()
      .describe(
        'The name of the Clinical Safety Officer who accepted MINIMUM_COVERAGE. Required for a live dataset.',
      ),
    EXPECTED_AUTHORITIES_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'JSON file: the authorities that are expected to send plans. Required to create a live dataset.',
      ),
    TRACING: z
      .enum(['none', 'register', 'pds'])
      .default('none')
      .describe(
        'How NHS numbers in uploads are traced: `none` (only in a demo), `register` (in TRACING_REGISTER_FILE) or `pds` (in the Personal Demographics Service).',
      ),
    TRACING_REGISTER_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'CSV file: nhs_number, status, replaced_by, date_of_birth, given_name, family_name. Required if TRACING is `register`.',
      ),
    PDS_URL: pdsAddress().describe(
      'The base address of the PDS FHIR API, such as https://api.service.nhs.uk/personal-demographics/FHIR/R4. Required if TRACING is `pds`.',
    ),
    PDS_TOKEN_URL: pdsAddress().describe(
      'The address from which access tokens for PDS are fetched. Default: /oauth2/token on the host of PDS_URL.',
    ),
    PDS_API_KEY: shortTextSchema
      .optional()
      .describe(
        'The API key of this service on the NHS API platform. Required if TRACING is `pds`.',
      ),
    PDS_KEY_ID: shortTextSchema
      .optional()
      .describe(
        'The `kid` of the public key that is registered on the API platform. Required if TRACING is `pds`.',
      ),
    PDS_KEY_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM file (PKCS #8): the private key of that public key, RSA. Required if TRACING is `pds`.',
      ),
    PDS_PER_SECOND: number(0.1, 1_000, 5).describe(
      'How many requests a second all processes on a data folder together may make to PDS, as agreed with the API platform.',
    ),
    PDS_REMEMBER_DAYS: number(0, 3_650, 90).describe(
      'For how many days a person who was verified is not traced again, if the council sends the same name and date of birth.',
    ),
    PDS_REVERIFY_DAYS: number(1, 3_650, 30).describe(
      'Within how many days each number with a plan is checked in PDS again, because it may have been replaced, withdrawn or made sensitive.',
    ),
    ACK_ECHO: z
      .string()
      .regex(/^[A-Z0-9]{3,12}( ?, ?[A-Z0-9]{3,12})*$/, {
        error: 'must be ODS codes separated by commas',
      })
      .transform((text) => text.split(/ ?, ?/))
      .default([])
      .describe(
        'ODS codes, separated by commas, of authorities whose acknowledgements repeat refused records with their NHS numbers.',
      ),
    MAX_UPLOAD_MIB: number(1, 4096, 64).describe('How many MiB an upload may have at most.'),
    MESH_WORKFLOW_ID: workflowSchema
      .optional()
      .describe(
        'The workflow id of uploads in MESH. Without it an inbox takes no `.dat`/`.ctl` pairs.',
      ),
    MESH_ACK_WORKFLOW_ID: workflowSchema
      .optional()
      .describe(
        'The workflow id of acknowledgements in MESH. Default: MESH_WORKFLOW_ID with `_ACK`.',
      ),
    MESH_MAILBOX: mailboxSchema
      .optional()
      .describe(
        'The service’s own mailbox. With MESH_URL, it is the mailbox that is read. Otherwise it says which pairs in a folder are for this service.',
      ),
    MESH_MAILBOXES_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'JSON file: which authority each mailbox sends for, { "X26ABC1": "V145" }. A mailbox may have workflow ids of its own: { "X26ABC1": { "authority": "V145", "workflowId": "...", "acknowledgementWorkflowId": "..." } }. Required for pairs and messages outside a demo dataset.',
      ),
    MESH_URL: z
      .string()
      .regex(
        /^(?:https:\/\/[^\s/?#]+|http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]+)?)\/?$/,
        {
          error:
            'must be an address such as https://mesh-sync.spineservices.nhs.uk; http:// only on this machine, for a rehearsal',
        },
      )
      .transform((url) => url.replace(/\/$/, ''))
      .optional()
      .describe(
        'The address of the MESH API. If it is not set, no process connects to MESH. If it is, a worker or `cp-flags mesh` works on MESH_MAILBOX there.',
      ),
    MESH_PASSWORD_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('A file that holds the password of MESH_MAILBOX. Required with MESH_URL.'),
    MESH_SHARED_KEY_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'A file that holds the shared key of the MESH environment. Required with MESH_URL.',
      ),
    MESH_CERT_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM file: the client certificate for MESH, with its chain. Required with an https MESH_URL.',
      ),
    MESH_KEY_FILE: z
      .string()
      .min(1)
      .optional()
      .describe('PEM file: the key of MESH_CERT_FILE. Required with it.'),
    MESH_CA_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'PEM file: the certificate authorities, one of which must have issued MESH’s certificate. Not set: those that Node comes with.',
      ),
    MESH_POLL_SECONDS: number(1, 86_400, 300).describe(
      'How often, in seconds, the mailbox is checked. MESH allows this once in 300 seconds at most: set less only for a rehearsal.',
    ),
    INBOX_SETTLE_SECONDS: number(0, 3600, 5).describe(
      'A file in the inbox is read once it has not changed for this number of seconds.',
    ),
    INBOX_POLL_SECONDS: number(0.05, 3600, 5).describe(
      'How often, in seconds, the inbox is checked.',
    ),
    INBOX_PAIR_WAIT_MINUTES: number(0, 1440, 15).describe(
      'For how many minutes one file of a `.dat`/`.ctl` pair may wait for the other before the log says so.',
    ),
    INBOX_KEEP_DAYS: number(0, 366, 0).describe(
      'For how many days files stay in the folder `done` after they are acknowledged.',
    ),
    INBOX_PARALLEL: number(1, 32, 4)
      .pipe(z.int({ error: 'must be a whole number' }))
      .describe('How many authorities’ files are loaded at the same time.'),
    REMOVALS_WARN_SHARE: number(0, 1, DEFAULT_BREAKERS.removalsWarnShare).describe(
      'If a file ends, deletes or leaves out a larger share than this of an authority’s plans in force, the acknowledgement remarks on it.',
    ),
    REMOVALS_STOP_SHARE: number(0, 1, DEFAULT_BREAKERS.removalsStopShare).describe(
      'If a file ends, deletes or leaves out a larger share than this of an authority’s plans in force, the removals wait for a named person.',
    ),
    REFUSED_WARN_SHARE: number(0, 1, DEFAULT_BREAKERS.refusedWarnShare).describe(
      'If a larger share than this of a file’s records is refused, the acknowledgement remarks on it.',
    ),
    REFUSED_STOP_SHARE: number(0, 1, DEFAULT_BREAKERS.refusedStopShare).describe(
      'If a larger share than this of a file’s records is refused, its removals wait for a named person.',
    ),
    ROWS_WARN_TIMES: number(1, 1_000_000, DEFAULT_BREAKERS.rowsWarnTimes).describe(
      'If a file has more than this many times the usual number of rows, the acknowledgement remarks on it.',
    ),
    ADDITIONS_STOP_TIMES: number(1, 1_000_000, DEFAULT_BREAKERS.additionsStopTimes).describe(
      'If a file adds over 1,000 plans, and more than this many times the usual number, all of it waits for a named person.',
    ),
    HELD_DAYS: number(1, 366, 30).describe(
      'For how many days a held file waits for a decision before it is discarded.',
    ),
    AUDIT_DIR: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional()
      .describe(
        'The folder of the sealed audit log. Without AUDIT_COPY it must be on one file system for all workers. Default: `audit` in DATA_DIR.',
      ),
    AUDIT_COPY: z
      .string()
      .regex(/^(\/.*|s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[A-Za-z0-9._-]+)*)$/, {
        error: 'must be the absolute path of a folder, or s3://BUCKET/PREFIX',
      })
      .optional()
      .describe(
        'Where the second copy of the audit log is: a folder on another file system, or `s3://BUCKET/PREFIX`. Events leave Redis only once they are in the log and in the copy. Set it to the same place for all workers. See [Second copy of the audit log](../second-copy.md#second-copy-of-the-audit-log).',
      ),
    AUDIT_COPY_ENDPOINT: z
      .string()
      .regex(
        /^(https:\/\/[^\s/?#@]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?)\/?$/,
        {
          error: 'must be an https address without a path',
        },
      )
      .transform((url) => url.replace(/\/$/, ''))
      .optional()
      .describe(
        'The server of a bucket in AUDIT_COPY. Default: the server of AWS in AUDIT_COPY_REGION.',
      ),
    AUDIT_COPY_REGION: z
      .string()
      .regex(/^[a-z0-9-]{1,40}$/, { error: 'must be the name of a region' })
      .default('eu-west-2')
      .describe('The region of a bucket in AUDIT_COPY.'),
    AUDIT_COPY_CREDENTIALS_FILE: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional()
      .describe(
        'File with the credentials of a bucket in AUDIT_COPY: the access key on its first line, the secret key on its second, and a session token, if any, on its third. It is read at each request. Default: AWS_ACCESS_KEY_ID and the other variables of AWS.',
      ),
    AUDIT_COPY_PRUNE_CREDENTIALS_FILE: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional()
      .describe(
        'File of the same form as AUDIT_COPY_CREDENTIALS_FILE, with credentials that may delete objects. They are used only to delete events older than AUDIT_RETENTION_YEARS from a bucket in AUDIT_COPY. If it is not set, such events stay in the bucket.',
      ),
    AUDIT_KEY_FILE: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional()
      .describe('The file of the key that signs the audit log. Default: `audit-key` in DATA_DIR.'),
    AUDIT_ORIGIN: z
      .string()
      .regex(/^[^\s+]{1,200}$/, { error: 'must be a name without spaces and plus signs' })
      .optional()
      .describe(
        'The name of the log, in the form of an address without its scheme. The log’s key is made with it, so it can never change. Default: cp-flags/ and the id of the dataset.',
      ),
    AUDIT_WITNESSES: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional()
      .describe(
        'File that names the witnesses that cosign the audit log, and says how many of them are needed, in the form of c2sp.org/tlog-policy. See [Witnesses](../verifying.md#witnesses).',
      ),
    AUDIT_RETENTION_YEARS: number(1, 100, 26)
      .pipe(z.int({ error: 'must be a whole number' }))
      .describe('For how many years audit events are kept.'),
    OPERATOR_ODS_CODE: z
      .string()
      .regex(/^[A-Z0-9]{3,12}$/, { error: 'must be an ODS code' })
      .optional()
      .describe(
        'ODS code of the operating organisation, whose privacy officers see the whole audit. Without it, nobody is let in to the operator’s pages of live data.',
      ),
    AUDIT_SPOOL_MIB: number(1, 4096, 64).describe(
      'How many MiB of disk each process may use for events other than answers while Redis is away.',
    ),
    NOTIFICATIONS_WINDOW_MINUTES: numberOf(0.001, 1440)
      .optional()
      .describe(
        'How many minutes one notification to an authority covers. Default: 15, or 1 for a demo.',
      ),
    NOTIFICATIONS_KEEP_DAYS: number(1, 366, 90).describe(
      'For how many days notifications can be read again.',
    ),
    NOTIFICATIONS_OUTBOX: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional()
      .describe(
        'Folder for notifications as files. If it is not set no files are written, except in a demo, into `outbox` in DATA_DIR.',
      ),
    NOTIFICATIONS_FILE: z
      .string()
      .min(1)
      .optional()
      .describe(
        'JSON file with an entry for each ODS code, and * for all others: formats (json, csv, xml; all if left out), mailbox (writes a .dat/.ctl pair for each format, for MESH), empty (notifies even if nobody looked): { "V145": { "formats": ["xml"], "mailbox": "X26ABC1" } }.',
      ),
    MESH_NOTIFICATION_WORKFLOW_ID: workflowSchema
      .optional()
      .describe('The workflow id of notifications sent by MESH.'),
    REDIS_MAXMEMORY_MIB: number(16, 1_048_576, 1024)
      .pipe(z.int())
      .describe('How many MiB of memory the embedded Redis may use.'),
    METRICS_PORT: z
      .string()
      .regex(/^[0-9]{1,5}$/, { error: 'must be a whole number from 0 to 65535' })
      .transform(Number)
      .pipe(z.int().max(65_535, { error: 'must be at most 65535' }))
      .optional()
      .describe(
        'If set, metrics for Prometheus are at `/metrics` on this port, which must not be PORT. 0 means any free port.',
      ),
    METRICS_HOST: z
      .string()
      .min(1)
      .default('127.0.0.1')
      .describe(
        'The address to listen on for metrics. Metrics hold no NHS number, but say much about how this service works.',
      ),
    OTEL_EXPORTER_OTLP_ENDPOINT: otlpAddress().describe(
      'If set, traces and metrics are sent there (OTLP over HTTP, in protobuf). OpenTelemetry’s `OTEL_EXPORTER_OTLP_HEADERS`, `_COMPRESSION`, `_CERTIFICATE` and the like, `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` also apply.',
    ),
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otlpAddress().describe('The address for traces only.'),
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: otlpAddress().describe('The address for metrics only.'),
    OTEL_EXPORTER_OTLP_PROTOCOL: z
      .literal('http/protobuf', {
        error: 'must be http/protobuf, the only protocol supported',
      })
      .default('http/protobuf')
      .describe('The only protocol supported.'),
    OTEL_EXPORTER_OTLP_TIMEOUT: number(10, 60_000, 10_000).describe(
      'How many milliseconds one export, with its repeats, may take.',
    ),
    OTEL_METRIC_EXPORT_INTERVAL: number(100, 3_600_000, 60_000).describe(
      'How many milliseconds there are between two exports of metrics.',
    ),
    OTEL_BSP_SCHEDULE_DELAY: number(10, 60_000, 5_000).describe(
      'How many milliseconds there are between two exports of traces.',
    ),
    OTEL_TRACES_SAMPLER: z
      .enum([
        'parentbased_traceidratio',
        'parentbased_always_on',
        'parentbased_always_off',
        'always_off',
      ])
      .default('parentbased_traceidratio')
      .describe('Which requests are traced, apart from those whose `traceparent` asks for it.'),
    OTEL_TRACES_SAMPLER_ARG: number(0, 1, 0).describe(
      'The share of other requests that `parentbased_traceidratio` traces.',
    ),
    OTEL_SDK_DISABLED: z
      .string()
      .transform((text) => text.toLowerCase() === 'true')
      .default(false)
      .describe('If true, requests are not measured, and no metrics or traces are given out.'),
    RELEASE_ID: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe('The release that was deployed, shown by `/_ping` and `/_status`.'),
    COMMIT_ID: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe('The commit it was built from, shown by `/_ping` and `/_status`.'),
    LOG_LEVEL: z
      .enum(['debug', 'info', 'warn', 'error', 'silent'])
      .optional()
      .describe(
        'From which level lines go to the log, on stderr. Default: info, or warn for a demo, whose output a person reads.',
      ),
  })
  .refine(
    ({ TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE }) =>
      TLS_CERT_FILE !== undefined || (TLS_KEY_FILE ?? TLS_CLIENT_CA_FILE) === undefined,
    { path: ['TLS_CERT_FILE'], error: 'required, because another TLS setting is set' },
  )
  .refine(
    ({ TLS_CERT_FILE, TLS_KEY_FILE }) => TLS_CERT_FILE === undefined || TLS_KEY_FILE !== undefined,
    { path: ['TLS_KEY_FILE'], error: 'required, because TLS_CERT_FILE is set' },
  )
  .superRefine((settings, { addIssue }) => {
    if (settings.MESH_URL === undefined) return;
    const always = [
      'MESH_MAILBOX',
      'MESH_WORKFLOW_ID',
      'MESH_PASSWORD_FILE',
      'MESH_SHARED_KEY_FILE',
    ] as const;
    const overTls = settings.MESH_URL.startsWith('https:')
      ? (['MESH_CERT_FILE', 'MESH_KEY_FILE'] as const)
      : [];
    for (const name of [...always, ...overTls]) {
      if (settings[name] !== undefined) continue;
      addIssue({ code: 'custom', path: [name], message: 'required, because MESH_URL is set' });
    }
    const ofNhs = /\.nhs\.uk(?::[0-9]+)?$/i.test(settings.MESH_URL);
    if (ofNhs && settings.MESH_POLL_SECONDS < MESH_POLL_AT_LEAST_SECONDS) {
      const message = `must be at least ${MESH_POLL_AT_LEAST_SECONDS}: MESH does not allow a mailbox to be checked more often`;
      addIssue({ code: 'custom', path: ['MESH_POLL_SECONDS'], message });
    }
  })
  .refine(({ REDIS_URL, REDIS_REPLICAS }) => REDIS_REPLICAS === 0 || REDIS_URL !== undefined, {
    path: ['REDIS_URL'],
    error: 'required, because REDIS_REPLICAS is set: the embedded Redis has no replicas',
  })
  .refine(
    ({ REDIS_CERT_FILE, REDIS_KEY_FILE }) =>
      (REDIS_CERT_FILE === undefined) === (REDIS_KEY_FILE === undefined),
    { path: ['REDIS_CERT_FILE'], error: 'set both REDIS_CERT_FILE and REDIS_KEY_FILE, or neither' },
  )
  .refine(
    ({ REDIS_SENTINEL_CERT_FILE, REDIS_SENTINEL_KEY_FILE }) =>
      (REDIS_SENTINEL_CERT_FILE === undefined) === (REDIS_SENTINEL_KEY_FILE === undefined),
    {
      path: ['REDIS_SENTINEL_CERT_FILE'],
      error: 'set both REDIS_SENTINEL_CERT_FILE and REDIS_SENTINEL_KEY_FILE, or neither',
    },
  )
  .refine(
    ({ PORT, METRICS_PORT }) =>
      METRICS_PORT === undefined || METRICS_PORT === 0 || METRICS_PORT !== PORT,
    { path: ['METRICS_PORT'], error: 'must not be PORT, because metrics must not be public' },
  )
  .refine(
    ({ SIGN_IN_FILE, PUBLIC_URL }) =>
      SIGN_IN_FILE === undefined ||
      (PUBLIC_URL !== undefined && new URL(PUBLIC_URL).origin === PUBLIC_URL),
    {
      path: ['PUBLIC_URL'],
      error: 'must be an address without a path, because SIGN_IN_FILE is set',
    },
  )
  .refine(
    ({ ROLE, SIGN_IN_FILE, SESSION_KEYS_FILE }) =>
      SIGN_IN_FILE === undefined || ROLE !== 'lookup' || SESSION_KEYS_FILE !== undefined,
    {
      path: ['SESSION_KEYS_FILE'],
      error: 'required, because SIGN_IN_FILE is set: all lookup processes must have the same keys',
    },
  )
  .refine(
    ({ TRACING, TRACING_REGISTER_FILE }) =>
      TRACING !== 'register' || TRACING_REGISTER_FILE !== undefined,
    {
      path: ['TRACING_REGISTER_FILE'],
      error: 'required, because TRACING is register',
    },
  )
  .check(({ value, issues }) => {
    for (const name of ['PDS_URL', 'PDS_API_KEY', 'PDS_KEY_ID', 'PDS_KEY_FILE'] as const) {
      if (value.TRACING === 'pds' && value[name] === undefined) {
        issues.push({
          code: 'custom',
          input: value,
          path: [name],
          message: 'required, because TRACING is pds',
        });
      }
    }
  })
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
 * Reads the configuration from an environment. Variables it does not know are left alone (the environment is
 * shared); an empty variable counts as not set.
 *
 * @throws {ConfigurationError} naming every wrong setting, and its correct form. The values are not repeated:
 * some are secrets.
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
