import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type DataFolder, REDIS_ROLES, type RedisUsers } from './data-folder.ts';

/** The configuration of the embedded server: `store/redis.conf` and its own settings. */
export async function redisConfiguration(
  folder: DataFolder,
  socketPath: string,
  maxmemoryMb: number,
): Promise<string> {
  const own = {
    port: '0',
    unixsocket: socketPath,
    unixsocketperm: '700',
    aclfile: folder.acl,
    dir: folder.redis,
    logfile: folder.log,
    maxmemory: `${maxmemoryMb}mb`,
    // The command line names this folder's configuration, which distinguishes this server from another
    // program that was given its process id.
    'set-proc-title': 'no',
  };
  const common = await readFile(new URL('../../redis.conf', import.meta.url), 'utf8');
  // Quoted, since a path may hold spaces.
  const lines = Object.entries(own).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return `${common}\n${lines.join('\n')}\n`;
}

/**
 * The default user: nobody can connect as it, since it is off, but it keeps every right. Redis 7.0 loads its
 * append-only file as that user and silently drops anything in a transaction (such as everything that
 * functions wrote) that the user may not do.
 */
const DEFAULT_USER = 'user default reset off ~* &* +@all';

/**
 * The text of the ACL file: nobody by default, and one user for each role from `store/acl/ROLE.acl`. Redis
 * wants one line a user; a template may take several, and comment lines that start with `# `.
 */
export async function redisAcl(users: RedisUsers): Promise<string> {
  const lines = REDIS_ROLES.map(async (role) => {
    const template = await readFile(new URL(`../../acl/${role}.acl`, import.meta.url), 'utf8');
    const rules = template.split('\n').filter((line) => !line.startsWith('# '));
    const hash = createHash('sha256').update(users[role].password).digest('hex');
    return rules.join(' ').trim().replace('PASSWORD_SHA256', hash);
  });
  return `${[DEFAULT_USER, ...(await Promise.all(lines))].join('\n')}\n`;
}
