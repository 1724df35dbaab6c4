import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { openTls, tlsCheck } from '#service/http/tls.ts';
import { type Certified, certify } from '../../support/certificates.ts';
import { startTestService, type TestService, testFolder, until } from '../../support/service.ts';

let folder: string;
let authority: Certified;
let server: Certified;
let client: Certified;
let stranger: Certified;

const write = async (name: string, content: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};

beforeAll(async () => {
  folder = await testFolder();
  authority = certify('Test authority');
  server = certify('flags', { issuer: authority });
  client = certify('gateway', { issuer: authority });
  stranger = certify('stranger', { issuer: certify('Another authority') });
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Makes one GET over TLS, and returns the response or the code of the error. */
function get(baseUrl: string, path: string, options: ConnectionOptions): Promise<string> {
  const { hostname, port } = new URL(baseUrl);
  return new Promise((resolve) => {
    let received = '';
    const socket: TLSSocket = connect({ host: hostname, port: Number(port), ...options }, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    );
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.on('close', () => resolve(received));
  });
}

/** The name on the certificate that the server presents now. */
function shown(baseUrl: string): Promise<string> {
  const { hostname, port } = new URL(baseUrl);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ca: authority.cert }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

describe('a service with a certificate', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({
      environment: {
        TLS_CERT_FILE: await write('server.pem', server.cert),
        TLS_KEY_FILE: await write('server.key', server.key),
        REREAD_SECONDS: '0.02',
      },
    });
  });
  afterAll(() => service?.stopAndRemove());

  test('answers over TLS 1.3 and HTTP/1.1 and says so', async () => {
    expect(service.baseUrl).toMatch(/^https:/);
    expect(await get(service.baseUrl, '/_ping', { ca: authority.cert })).toMatch(
      /^HTTP\/1\.1 200 /,
    );
  });

  test('refuses older TLS, and HTTP without TLS', async () => {
    const old = await get(service.baseUrl, '/_ping', { ca: authority.cert, maxVersion: 'TLSv1.2' });
    expect(old).toMatch(/PROTOCOL_VERSION|UNSUPPORTED/);
    await expect(fetch(service.baseUrl.replace('https', 'http'))).rejects.toThrow('fetch failed');
  });

  test('presents a renewed certificate without a restart, and keeps the last good one', async () => {
    const renewed = certify('flags renewed', { issuer: authority });
    await write('server.pem', renewed.cert);
    await until(() => service.lines.some((line) => line.includes('is not the key of')));
    expect(await shown(service.baseUrl)).toBe('flags');
    await write('server.key', renewed.key);
    await until(async () => (await shown(service.baseUrl)) === 'flags renewed', 'the renewal');
  });

  test('gives the expiry of its certificate in its status', async () => {
    const status = await get(service.baseUrl, '/_status', { ca: authority.cert });
    expect(status).toMatch(
      /"tls:certificate":\[\{"status":"pass","outcome":"[^"]*36[45] more days/,
    );
  });
});

/** An alert or a reset, depending on which side is quicker, but never an answer. */
const REFUSED = /^(?!HTTP)/;

describe('a service that asks for client certificates', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({
      environment: {
        TLS_CERT_FILE: await write('mutual.pem', server.cert),
        TLS_KEY_FILE: await write('mutual.key', server.key),
        TLS_CLIENT_CA_FILE: await write('clients.pem', authority.cert),
      },
    });
  });
  afterAll(() => service?.stopAndRemove());

  test.for<[string, () => Certified | undefined, RegExp]>([
    ['a certificate of the authority is let in', () => client, /^HTTP\/1\.1 200 /],
    ['no certificate is not', () => undefined, REFUSED],
    ['another authority’s certificate is not', () => stranger, REFUSED],
    [
      'an expired certificate is not',
      () => certify('late', { issuer: authority, days: -1 }),
      REFUSED,
    ],
  ])('a client with %s', async ([, certified, expected]) => {
    const shownByClient = certified();
    const options: ConnectionOptions = {
      ca: authority.cert,
      ...(shownByClient !== undefined && { cert: shownByClient.cert, key: shownByClient.key }),
    };
    expect(await get(service.baseUrl, '/_ping', options)).toMatch(expected);
  });
});

test.for<[string, () => [string, string, string?], string]>([
  ['a certificate file that is not there', () => ['none.pem', server.key], 'TLS_CERT_FILE: '],
  ['a certificate file with a key in it', () => [server.key, server.key], 'holds no certificate'],
  ['a key of another certificate', () => [server.cert, client.key], 'is not the key of'],
  ['a key file with a certificate in it', () => [server.cert, server.cert], 'holds no private key'],
  [
    'client authorities that are not certificates',
    () => [server.cert, server.key, 'x'],
    'TLS_CLIENT_CA_FILE: ',
  ],
])('%s is refused with a message that names the setting', async ([, files, words]) => {
  const [cert, key, ca] = files();
  const configuration = readConfiguration({
    TLS_CERT_FILE: cert === 'none.pem' ? join(folder, cert) : await write('a.pem', cert),
    TLS_KEY_FILE: await write('a.key', key),
    ...(ca !== undefined && { TLS_CLIENT_CA_FILE: await write('a-ca.pem', ca) }),
  });
  await expect(openTls(configuration, () => undefined)).rejects.toThrow(words);
});

test.for([
  [400, true, 'more days'],
  [20, false, 'Renew it'],
  [-2, false, 'has expired'],
] as const)(
  'a certificate with %i days left is reported in the status',
  async ([days, ok, words]) => {
    const { cert, key } = certify('flags', { issuer: authority, days });
    const tls = await openTls(
      readConfiguration({
        TLS_CERT_FILE: await write('b.pem', cert),
        TLS_KEY_FILE: await write('b.key', key),
      }),
      () => undefined,
    );
    tls?.stop();
    const check = tls && tlsCheck(tls);
    expect(check?.ok).toBe(ok);
    expect(check?.detail).toContain(words);
  },
);

test.for([
  [{ TLS_KEY_FILE: 'k' }, 'TLS_CERT_FILE: required'],
  [{ TLS_CLIENT_CA_FILE: 'c' }, 'TLS_CERT_FILE: required'],
  [{ TLS_CERT_FILE: 'c' }, 'TLS_KEY_FILE: required'],
] as const)('half a TLS configuration is refused: %j', ([environment, words]) => {
  expect(() => readConfiguration(environment)).toThrow(words);
});
