import { hash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { list } from '../connection/reply.ts';

/** Those of the service and, with replicas, of the servers themselves. Sentinels keep their own. */
const USERS = [
  'cpf-lookup',
  'cpf-worker',
  'cpf-loader',
  'cpf-admin',
  'cpf-replica',
  'cpf-failover',
] as const;
const COMPARED_EVERY_MS = 1_000;

/** By name, a digest of what a user may do and of the hashes of its passwords; none for a missing user. */
type Users = ReadonlyMap<string, string | undefined>;

/**
 * Rights on commands, in a fixed order: each server lists single commands in the order of its own hash table.
 * Categories keep their order and come first, as servers write them.
 */
function canonicalCommands(text: string): string {
  const words = text.split(' ');
  const single = words.filter((word) => !word.includes('@'));
  return [...words.filter((word) => word.includes('@')), ...single.toSorted()].join(' ');
}

/** A reply that does not depend on the order of passwords, flags and commands, nor on the version of the protocol. */
function canonical(reply: unknown): string {
  const flat = list(reply);
  const pairs: [string, unknown][] = Array.isArray(reply)
    ? flat.flatMap((name, i): [string, unknown][] =>
        i % 2 === 0 ? [[String(name), flat[i + 1]]] : [],
      )
    : Object.entries(reply ?? {});
  const valueOf = (name: string, value: unknown): unknown => {
    if (name === 'commands') return canonicalCommands(String(value));
    if (name === 'selectors') return list(value).map(canonical).toSorted();
    if (!Array.isArray(value)) return value;
    return list(value)
      .map((each) => JSON.stringify(each))
      .toSorted();
  };
  return JSON.stringify(pairs.map(([name, value]) => [name, valueOf(name, value)]));
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
      // Whether a server is present is checked elsewhere: this by itself must stop no lookup.
      users = undefined;
    }
    readAt = performance.now();
    return users;
  };
}

/** The users that differ between two servers. */
export const differingUsers = (one: Users, other: Users): string[] =>
  USERS.filter((user) => one.get(user) !== other.get(user));
