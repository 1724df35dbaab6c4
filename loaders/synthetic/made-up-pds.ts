import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type CryptoKey, jwtVerify } from 'jose';

/** A person known to a simulated service. */
export type MadeUpPerson = {
  nhsNumber: string;
  dateOfBirth?: string;
  /** Absent for a minimal record, which has neither names nor a date of birth. */
  names?: readonly { use?: string; given: readonly string[]; family: string; end?: string }[];
  /** Confidentiality: `U`, `R` or `V`. */
  security?: string;
};

/** What is held under a number: a person, with another number if it was replaced, or that it was withdrawn. */
export type MadeUpRecord = MadeUpPerson | 'invalidated';

export type MadeUpPds = {
  url: string;
  tokenUrl: string;
  /** By the number asked for; may be changed at any time. */
  records: Map<string, MadeUpRecord>;
  /** The records that were asked for, in order. */
  asked: { nhsNumber: string; requestId: string; organisation: string; at: number }[];
  tokensGiven: number;
  /** Answers instead of it if set and if it returns true. */
  instead:
    | ((request: IncomingMessage, response: ServerResponse, path: string) => boolean)
    | undefined;
  /** Tokens given before are no longer valid. */
  forgetTokens(): void;
  close(): Promise<void>;
};

const TOKEN_SECONDS = 600;
const ASSERTION_SECONDS_AT_MOST = 300;
const BASE = '/personal-demographics/FHIR/R4';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Simulates the Personal Demographics Service on loopback: the token address of the API platform and
 * retrieval by number, with the checks of the real one and none of its people. For rehearsals and tests.
 *
 * @param publicKey the public key of its client; RS512
 */
export async function startMadeUpPds({
  port = 0,
  apiKey,
  publicKey,
  records = new Map(),
}: {
  port?: number;
  apiKey: string;
  publicKey: CryptoKey;
  records?: Map<string, MadeUpRecord>;
}): Promise<MadeUpPds> {
  const tokens = new Set<string>();
  const assertions = new Set<string>();

  async function giveToken(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request));
    try {
      const { payload } = await jwtVerify(form.get('client_assertion') ?? '', publicKey, {
        algorithms: ['RS512'],
        issuer: apiKey,
        subject: apiKey,
        audience: pds.tokenUrl,
      });
      const { jti = '', exp = 0 } = payload;
      const lasts = exp - Date.now() / 1000;
      if (form.get('grant_type') !== 'client_credentials') throw new Error('the grant');
      if (jti === '' || assertions.has(jti)) throw new Error('used before');
      if (lasts > ASSERTION_SECONDS_AT_MOST) throw new Error('lasts too long');
      assertions.add(jti);
    } catch {
      send(response, 401, { error: 'invalid_client' });
      return;
    }
    const token = randomUUID();
    tokens.add(token);
    pds.tokensGiven += 1;
    send(response, 200, {
      access_token: token,
      // As text, like the platform.
      expires_in: String(TOKEN_SECONDS),
      token_type: 'Bearer',
      issued_at: String(Date.now()),
    });
  }

  function giveRecord(request: IncomingMessage, response: ServerResponse, path: string): void {
    const { authorization = '', ...headers } = request.headers;
    const requestId = String(headers['x-request-id'] ?? '');
    const nhsNumber = path.slice(`${BASE}/Patient/`.length);
    pds.asked.push({
      nhsNumber,
      requestId,
      organisation: String(headers['nhsd-end-user-organisation-ods'] ?? ''),
      at: performance.now(),
    });
    if (!tokens.has(authorization.replace(/^Bearer /, ''))) {
      return sendOutcome(response, 401, 'ACCESS_DENIED');
    }
    if (!UUID.test(requestId)) return sendOutcome(response, 400, 'MISSING_VALUE');
    if (!/^[0-9]{10}$/.test(nhsNumber)) return sendOutcome(response, 400, 'INVALID_RESOURCE_ID');
    const record = pds.records.get(nhsNumber);
    if (record === undefined) return sendOutcome(response, 404, 'RESOURCE_NOT_FOUND');
    if (record === 'invalidated') return sendOutcome(response, 404, 'INVALIDATED_RESOURCE');
    send(response, 200, patientOf(record), { etag: 'W/"2"', 'x-request-id': requestId });
  }

  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (pds.instead?.(request, response, path) === true) return;
    if (request.method === 'POST' && path === '/oauth2/token') void giveToken(request, response);
    else if (request.method === 'GET' && path.startsWith(`${BASE}/Patient/`)) {
      giveRecord(request, response, path);
    } else sendOutcome(response, 404, 'NOT_SUPPORTED');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const pds: MadeUpPds = {
    url: `${origin}${BASE}`,
    tokenUrl: `${origin}/oauth2/token`,
    records,
    asked: [],
    tokensGiven: 0,
    instead: undefined,
    forgetTokens: () => tokens.clear(),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return pds;
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/fhir+json', ...headers });
  response.end(JSON.stringify(body));
}

/** How the service says why it gives no record. */
export function sendOutcome(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  const system = 'https://fhir.nhs.uk/R4/CodeSystem/Spine-ErrorOrWarningCode';
  const coding = [{ system, version: '1', code, display: code }];
  const issue = [{ severity: 'error', code: 'processing', details: { coding } }];
  send(response, status, { resourceType: 'OperationOutcome', issue }, headers);
}

/** How the service writes a record, in what matters here. */
export function patientOf({ nhsNumber, dateOfBirth, names, security = 'U' }: MadeUpPerson): object {
  return {
    resourceType: 'Patient',
    id: nhsNumber,
    identifier: [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: nhsNumber }],
    meta: {
      versionId: '2',
      security: [
        { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: security },
      ],
    },
    ...(dateOfBirth !== undefined && { birthDate: dateOfBirth }),
    ...(names !== undefined && {
      name: names.map(({ use = 'usual', given, family, end }) => ({
        use,
        given,
        family,
        period: { start: '2001-01-01', ...(end !== undefined && { end }) },
      })),
    }),
  };
}
