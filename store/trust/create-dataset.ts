import { randomBytes, randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { ExpectedAuthorities } from '#schemas/expected-authorities.ts';
import { DATASET } from '#schemas/wording/store.ts';
import { appendEvent } from '../audit-stream/events.ts';
import { type Dataset, expectedFields, readDataset } from '../authorities/dataset.ts';
import { expectedDetail } from '../authorities/directory.ts';
import { StoreNotWhole } from '../errors.ts';
import { FUNCTIONS, loadFunctions } from '../functions/functions.ts';
import { allChildrenKeys, keys } from '../keys.ts';
import type { Anchor } from './anchor.ts';

/**
 * Creates a dataset in a Redis without one and in the anchor, with its expected authorities. A creation that was
 * interrupted before Redis had the dataset is continued under the same id. The store verifier opens the store afterwards.
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
  if (anchor.dataset() !== undefined || (await readDataset(redis)) !== undefined) {
    throw new Error(DATASET.exists);
  }
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
  const resourceKey = randomBytes(32).toString('hex');
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
