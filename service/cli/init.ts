import type { Command } from 'commander';
import type { Configuration } from '#schemas/configuration.ts';
import { expectedAuthoritiesSchema } from '#schemas/expected-authorities.ts';
import { createCommits } from '../audit/copy/commits.ts';
import { openPlace, placeSettings } from '../audit/copy/open-place.ts';
import { defaultOrigin, readOrMakeKeys } from '../audit/seal/keys.ts';
import { auditKeyFile } from '../files/data-folder.ts';
import { readSettingFile } from '../files/setting-file.ts';
import { findRedis, openRedis } from '../start/redis.ts';
import { Failure, misused } from './failure.ts';
import { osAccount } from './named.ts';
import { withAnyStore } from './store.ts';

const NEXT = {
  demo: 'Start the service with: cp-flags serve --demo',
  live: 'Set ISSUERS_FILE, ORGANISATIONS_FILE, MINIMUM_COVERAGE and MINIMUM_COVERAGE_ACCEPTED_BY, and DATASET_ID for lookup processes, then start the service with: cp-flags serve (if it is running, stop it first).',
};

/** The authorities whose plans a new dataset should hold. A demo may do without: it expects those it has. */
async function readExpected(
  { EXPECTED_AUTHORITIES_FILE: path }: Configuration,
  kind: 'demo' | 'live',
) {
  if (path !== undefined) {
    return readSettingFile('EXPECTED_AUTHORITIES_FILE', path, expectedAuthoritiesSchema);
  }
  if (kind === 'demo') return undefined;
  throw new Failure(
    'EXPECTED_AUTHORITIES_FILE: required to create a live dataset, because a negative says which councils it covers. See `cp-flags init --help`.',
  );
}

/** `cp-flags init`: creates the dataset, in the running Redis or in one started only for this. */
async function init(
  configuration: Configuration,
  options: { live?: boolean; demo?: boolean; unlessThere?: boolean },
): Promise<void> {
  if (options.live === options.demo) {
    throw misused(
      'Say which kind of dataset to create: --live or --demo. It cannot be changed later.',
    );
  }
  const kind = options.live === true ? 'live' : 'demo';
  const redis = (await findRedis(configuration)) ?? (await openRedis(configuration));
  let made = true;
  let id = '';
  await withAnyStore(
    configuration,
    'admin',
    async (store, anchor) => {
      const held = await store.dataset();
      if (options.unlessThere === true && held?.kind === kind && anchor.dataset()?.id === held.id) {
        made = false;
        id = held.id;
        return;
      }
      const usable = redis.embedded || held !== undefined;
      if (configuration.REDIS_URL !== undefined && !usable && !(await store.isEmpty())) {
        throw new Failure('The Redis at REDIS_URL holds other data. Use an empty one.');
      }
      const isNew = held === undefined || held.id === anchor.creating();
      const expected = isNew ? await readExpected(configuration, kind) : undefined;
      // Before anything is made: it is put into the copy, and can be made only once.
      const copy = isNew ? placeSettings(configuration) : undefined;
      if (copy !== undefined) await createCommits(openPlace(copy)).check();
      ({ id } = await store.createDataset(kind, osAccount(), expected));
      await readOrMakeKeys(
        auditKeyFile(configuration),
        configuration.AUDIT_ORIGIN ?? defaultOrigin(id),
      );
    },
    redis,
  );
  const named = `DATASET_ID=${id}`;
  console.log(
    made
      ? `Created a ${kind} dataset, ${named}. ${NEXT[kind]}`
      : `The ${kind} dataset is there, ${named}.`,
  );
}

export function addInitCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('init')
    .description('Create the dataset in an empty store. This is done once.')
    .option('--live', 'for real children: only tokens of configured issuers are accepted')
    .option('--demo', 'for made-up children: demo tokens are accepted')
    .option('--unless-there', 'succeed if this dataset already exists, for start scripts')
    .addHelpText(
      'after',
      `
A live dataset needs EXPECTED_AUTHORITIES_FILE, in JSON: an area, and the authorities there that you expect to send
plans. kind is all (every council of the area) or pilot (only those listed, and each negative names them):
  { "area": "England", "kind": "all", "authorities": [{ "code": "V145", "name": "Example Borough Council" }] }
To change it later, use cp-flags authority expect.

The kind of a dataset never changes. If no Redis is running, the embedded one is started for this
and stopped again.

Example:
  EXPECTED_AUTHORITIES_FILE=expected.json DATA_DIR=/var/lib/cp-flags cp-flags init --live
`,
    )
    .action((options: { live?: boolean; demo?: boolean; unlessThere?: boolean }) =>
      init(configuration(), options),
    );
}
