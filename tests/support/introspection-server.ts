import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** An issuer's introspection and userinfo endpoints on loopback. */
export type IntrospectionServer = {
  url: string;
  userinfoUrl: string;
  /** What it says about each token. Any other token is not active. */
  tokens: Map<string, Record<string, unknown>>;
  users: Map<string, Record<string, unknown>>;
  asked: { path: string; authorization: string; form: URLSearchParams }[];
  /** If set, this answers in its place. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  close(): Promise<void>;
};

export async function startIntrospectionServer(): Promise<IntrospectionServer> {
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await text(request));
    const { authorization = '' } = request.headers;
    const path = request.url ?? '';
    server.asked.push({ path, authorization, form });
    if (server.instead !== undefined) return server.instead(request, response);
    const body =
      path === '/userinfo'
        ? server.users.get(authorization.replace('Bearer ', ''))
        : (server.tokens.get(form.get('token') ?? '') ?? { active: false });
    response.writeHead(body === undefined ? 401 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? {}));
  }
  const http = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const server: IntrospectionServer = {
    url: `${origin}/introspect`,
    userinfoUrl: `${origin}/userinfo`,
    tokens: new Map(),
    users: new Map(),
    asked: [],
    instead: undefined,
    async close() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return server;
}
