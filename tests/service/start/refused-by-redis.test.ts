import { writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, type Server as SocketServer } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { type Service, startService } from '#service/main.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { certify } from '../../support/certificates.ts';
import { until } from '../../support/service.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

/** When Redis is running but no connection can be made, /_status says why and which setting to change. */

const authority = certify('An authority');
const good = certify('redis', { issuer: authority });

let store: TestStore;
const services: Service[] = [];
const fronts: SocketServer[] = [];
beforeAll(async () => {
  store = await startTestStore({ kind: 'demo' });
  await writeFile(join(store.dataDir, 'authority.pem'), authority.cert);
});
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()));
  for (const front of fronts.splice(0)) front.close();
});
afterAll(() => store?.stop());

/** Puts TLS in front of the store's Redis. @returns its port */
async function serveTls({ cert, key }: { cert: string; key: string }): Promise<number> {
  const server = createServer({ cert, key }, (socket) => {
    const redis = connect(store.server.socketPath);
    socket.on('error', () => redis.destroy()).pipe(redis);
    redis.on('error', () => socket.destroy()).pipe(socket);
  });
  server.on('tlsClientError', () => undefined);
  fronts.push(server);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function start(port: number, password = store.server.users.lookup.password) {
  const service = await startService(
    readConfiguration({
      ROLE: 'lookup',
      PORT: '0',
      DATA_DIR: store.dataDir,
      REDIS_URL: `rediss://${store.server.users.lookup.username}:${password}@127.0.0.1:${port}`,
      REDIS_CA_FILE: join(store.dataDir, 'authority.pem'),
    }),
    { log: createLog('silent') },
  );
  services.push(service);
  const { baseUrl } = service;
  return async () => (await fetch(`${baseUrl}/_status`)).text();
}

test('a certificate from the configured authority is accepted', async () => {
  const said = await start(await serveTls(good));
  await until(async () => (await said()).includes('Redis answers.'), 'Redis to be reached');
});

test('a refused certificate or password is given as the reason, with the setting to change', async () => {
  const expired = certify('redis', { issuer: authority, days: -1 });
  const strange = certify('redis', { issuer: certify('Another') });
  // They start together, because each start waits for its connection.
  const said = await Promise.all([
    start(await serveTls(expired)),
    start(await serveTls(strange)),
    start(await serveTls(certify('redis'))),
    start(await serveTls(good), 'wrong'),
  ]);
  const reasons = [
    /CERT_HAS_EXPIRED.*REDIS_CA_FILE/,
    /UNABLE_TO_VERIFY.*REDIS_CA_FILE/,
    /DEPTH_ZERO_SELF_SIGNED_CERT.*REDIS_CA_FILE/,
    /REDIS_PASSWORD_FILE/,
  ];
  for (const [i, reason] of reasons.entries()) {
    await until(async () => reason.test((await said[i]?.()) ?? ''), reason.source);
  }
});
