import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { requestId } from 'hono/request-id';
import { secureHeaders } from 'hono/secure-headers';
import { Redis } from 'ioredis';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { Pool } from 'pg';
import { z } from 'zod';
import { parseNhsNumber } from '#schemas/nhs-number.ts';

/**
 * The naive lookup, for comparison: what an engineer would write in an afternoon.
 *
 * Start it by `node bench/rivals.ts redis|postgres SOCKET ISSUER_FILE [cached]`. With either store, the audit
 * event is on disk before the answer leaves. With `cached` each token is verified only once, as in cp-flags.
 */

const [store, socket = '', issuerFile = '', cached] = process.argv.slice(2);

const requestSchema = z.object({
  nhsNumber: z.string().refine((number) => parseNhsNumber(number) !== undefined),
});
const { d: _private, ...jwk } = JSON.parse(readFileSync(issuerFile, 'utf8')) as { d: string };
const keys = createLocalJWKSet({ keys: [{ ...jwk, kty: 'EC', alg: 'ES256' }] });
const verified = new Map<string, string>();

async function userOf(header: string | undefined): Promise<string | undefined> {
  const token = header?.replace(/^Bearer /, '') ?? '';
  const known = verified.get(token);
  if (known !== undefined) return known;
  try {
    const { payload } = await jwtVerify(token, keys, { algorithms: ['ES256'] });
    const user = payload.sub ?? '';
    if (cached !== undefined) verified.set(token, user);
    return user;
  } catch {
    return undefined;
  }
}

type Look = (nhsNumber: string, event: string) => Promise<string | undefined>;

/** Sends GET, waits for the reply, then sends XADD. */
function inRedis(): Look {
  const redis = new Redis({ path: socket });
  return async (nhsNumber, event) => {
    const plans = await redis.get(`child:${nhsNumber}`);
    await redis.xadd('audit', '*', 'event', event);
    return plans ?? undefined;
  };
}

/** One prepared statement, committed before it returns. */
function inPostgres(): Look {
  const pool = new Pool({ host: socket, user: 'postgres', database: 'postgres', max: 20 });
  return async (nhsNumber, event) => {
    const { rows } = await pool.query<{ plan: string }>({
      name: 'look',
      text: `WITH noted AS (INSERT INTO audit (nhs_number, event) VALUES ($1, $2))
             SELECT plan FROM plans WHERE nhs_number = $1`,
      values: [nhsNumber, event],
    });
    return rows.length === 0 ? undefined : `[${rows.map(({ plan }) => plan).join()}]`;
  };
}

const look = store === 'postgres' ? inPostgres() : inRedis();
const app = new Hono<{ Variables: { user: string } }>();
app.use(requestId());
app.use(secureHeaders());
app.use(async (c, next) => {
  const user = await userOf(c.req.header('authorization'));
  if (user === undefined) return c.json({ error: 'who are you?' }, 401);
  c.set('user', user);
  return next();
});
app.post('/lookup', async (c) => {
  const parsed = requestSchema.safeParse(await c.req.json());
  if (!parsed.success) return c.json({ error: 'not a lookup' }, 400);
  const { nhsNumber } = parsed.data;
  const auditId = randomUUID();
  const user = c.get('user');
  const event = JSON.stringify({ auditId, user, nhsNumber, at: new Date().toISOString() });
  const plans = await look(nhsNumber, event);
  return c.json({
    checked: true,
    outcome: plans === undefined ? 'not-flagged' : 'flagged',
    auditId,
    flags: plans === undefined ? [] : (JSON.parse(plans) as unknown[]),
  });
});
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
  console.log(`hello on ${port}`),
);
process.on('SIGTERM', () => process.exit(0));
