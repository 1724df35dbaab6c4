import { randomBytes, randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import { DATASET } from '#schemas/wording/store.ts';
import { appendEvent } from '../audit-stream/events.ts';
import {
  type Dataset,
  EXPECTED_FIELDS,
  expectedFields,
  readDataset,
} from '../authorities/dataset.ts';
import { expectedDetail } from '../authorities/directory.ts';
import { StoreNotWhole } from '../errors.ts';
import { FUNCTIONS, loadFunctions } from '../functions/functions.ts';
import { allChildrenKeys, keys } from '../keys.ts';
import type { Anchor } from './anchor.ts';

/**
 * Creates a dataset in a Redis without one and in the anchor, with its expected authorities. A creation that was
 * interrupted is done again under the same id: nothing was answered from it. The store verifier opens the store
 * afterwards.
 *
 * @throws if either holds a dataset already
 * @throws {StoreNotWhole} if Redis holds children of another dataset
 */
export async function createDataset(
  redis: Redis,
  anchor: Anchor,
  kind: Dataset['kind'],
  by: string,
  expected?: ExpectedAuthorities,
): Promise<Dataset> {
  const held = await readDataset(redis);
  const isOther = held !== undefined && held.dataset.id !== anchor.creating();
  if (anchor.dataset() !== undefined || isOther) throw new Error(DATASET.exists);
  const created = anchor.beginDataset({
    id: randomUUID(),
    kind,
    createdAt: new Date().toISOString(),
  });
  await loadFunctions(redis);
  const stamped = await redis.fcall(
    FUNCTIONS.createPartitions,
    allChildrenKeys.length,
    ...allChildrenKeys,
    created.id,
  );
  if (stamped !== allChildrenKeys.length) {
    throw new StoreNotWhole(DATASET.othersChildren);
  }
  const resourceKey = held?.resourceKey ?? randomBytes(32).toString('hex');
  // What an interrupted creation expected does not count.
  if (held?.expected !== undefined) await redis.hdel(keys.dataset, ...EXPECTED_FIELDS);
  await redis.hset(keys.dataset, {
    ...created,
    resourceKey,
    ...(expected !== undefined && expectedFields(expected)),
  });
  await appendEvent(redis, {
    type: 'dataset-created',
    auditId: randomUUID(),
    by,
    detail: {
      id: created.id,
      kind: created.kind,
      ...(expected !== undefined && expectedDetail(expected)),
    },
  });
  anchor.commitDataset();
  await anchor.safeguard();
  return created;
}
