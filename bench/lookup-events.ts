import { syntheticNumber } from '#loaders/synthetic/numbers.ts';
import { draws, whole } from '#loaders/synthetic/random.ts';
import { parseNhsNumber, partitionOf } from '#schemas/nhs-number.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { keys } from '#store/keys.ts';
import { lookupEventOf } from '../tests/support/lookup-event.ts';

/** Puts the requested number of lookups of a country into Redis, in a process of its own, and reports when done. */

const CHILDREN = 200_000;
const USERS = 3_000;
const ORGANISATIONS = 200;
const FLAGGED_ONE_IN = 100;
const READY_WITHIN_MS = 10_000;

const draw = draws(18);
const below = (n: number): number => whole(draw, 0, n - 1);
const uuid = (): string => `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(6)}${hex(6)}`;
const hex = (digits: number): string =>
  below(16 ** digits)
    .toString(16)
    .padStart(digits, '0');
const authorities = Array.from({ length: 153 }, (_, i) => `ZZ${100 + i}`);

/** A lookup's event as the service writes it, and what the store adds. */
function fieldsOf(nhsNumber: string): string[] {
  const user = below(USERS);
  const organisation = user % ORGANISATIONS;
  const caller = {
    ...lookupEventOf({}).caller,
    user: String(555_021_930_000 + user),
    name: `Clinician ${user}`,
    organisation: { code: `RJ${organisation}`, name: `General Hospital ${organisation}` },
  };
  const ids = { auditId: uuid(), requestId: uuid() };
  const event = JSON.stringify(lookupEventOf({ ...ids, caller, nhsNumber }));
  const fields = ['event', event, 'at', String(Date.now()), 'outcome'];
  if (below(FLAGGED_ONE_IN) > 0) return [...fields, 'not-flagged'];
  const shown = [authorities[below(authorities.length)], 'P', '20400', 'current', 'match'];
  const sources = ['C1234', '17'];
  const accesses = ['accesses', uuid(), 'sources', sources.join('\u001f')];
  return [...fields, 'flagged', 'shown', shown.join('\u001f'), ...accesses];
}

const [socketPath = '', user = ''] = process.argv.slice(2);
const redis = connectStore(
  { socketPath, ...(JSON.parse(user) as { username: string; password: string }) },
  { name: 'bench-lookup-events' },
);
await whenReady(redis, READY_WITHIN_MS);

async function fill(events: number): Promise<void> {
  const pipeline = redis.pipeline();
  for (let i = 0; i < events; i++) {
    const number = parseNhsNumber(syntheticNumber('wide', below(CHILDREN)));
    if (number === undefined) throw new Error('not a number');
    pipeline.xadd(keys.audit(partitionOf(number)), '0-*', ...fieldsOf(number));
  }
  await pipeline.exec();
  process.send?.('done');
}
process.on('message', (events: number) => void fill(events));
