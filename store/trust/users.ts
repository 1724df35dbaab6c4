import { hash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { list } from '../connection/reply.ts';

/** Those of the service and, with replicas, of the servers themselves. Sentinels have theirs to themselves. */
const USERS = [
  'cpf-lookup',
  'cpf-worker',
  'cpf-loader',
  'cpf-admin',
  'cpf-replica',
  'cpf-failover',
] as const;
const COMPARED_EVERY_MS = 1_000;

/** By name, a digest of what a user may do and of the hashes of its passwords; none for one that is not there. */
type Users = ReadonlyMap<string, string | undefined>;

/** A reply that does not depend on the order of passwords and flags, nor on the version of the protocol. */
function canonical(reply: unknown): string {
  const flat = list(reply);
  const pairs: [string, unknown][] = Array.isArray(reply)
    ? flat.flatMap((name, i): [string, unknown][] =>
        i % 2 === 0 ? [[String(name), flat[i + 1]]] : [],
      )
    : Object.entries(reply ?? {});
  return JSON.stringify(
    pairs.map(([name, value]): [string, unknown] => [
      name,
      Array.isArray(value)
        ? list(value)
            .map((each) => JSON.stringify(each))
            .toSorted()
        : value,
    ]),
  );
}

/**
 * Reads the users of a server, at most once a second.
 *
 * @returns `undefined` if they cannot be read, for instance because this connection's own user may not
 */
export function createUserReader(redis: Redis): () => Promise<Users | undefined> {
  let users: Users | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - readAt < COMPARED_EVERY_MS) return users;
    try {
      const replies = await Promise.all(USERS.map((user) => redis.call('ACL', 'GETUSER', user)));
      users = new Map(
        USERS.map((user, i) => {
          const reply = replies[i] ?? undefined;
          return [user, reply === undefined ? undefined : hash('sha256', canonical(reply))];
        }),
      );
    } catch {
      // Whether a server is there is judged elsewhere: this alone must stop no lookup.
      users = undefined;
    }
    readAt = performance.now();
    return users;
  };
}

/** The users that differ between two servers. */
export const differingUsers = (one: Users, other: Users): string[] =>
  USERS.filter((user) => one.get(user) !== other.get(user));
