import { createHmac } from 'node:crypto';

/**
 * The id of a resource: the same for the same identity as long as the dataset lives, in the form of a
 * UUID (version 8, RFC 9562).
 *
 * Keyed, because an NHS number is ten digits: without a secret, anyone who finds an id in a client's log
 * could try them all. The key belongs to the dataset, so that every lookup process gives the same ids.
 */
export function resourceId(
  key: string,
  resourceType: string,
  ...identity: readonly (string | number)[]
): string {
  const hash = createHmac('sha256', key)
    .update(JSON.stringify([resourceType, ...identity]))
    .digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
