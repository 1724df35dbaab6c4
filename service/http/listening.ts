import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import {
  type AddressInfo,
  createServer as createSocketServer,
  type Server as SocketServer,
} from 'node:net';
import { LISTENING } from '#schemas/wording/operations.ts';

/** The port is taken, or this process may not use it. The message is the sentence for the user. */
export class CannotListen extends Error {
  override name = 'CannotListen';
}

/**
 * Each accepts one new connection per turn of the event loop, which is all that Node does: with one, clients
 * that connect while every turn is long would wait for seconds behind those already connected.
 */
const SOCKETS = 16;
/** A client without room tries again only after one, three and seven seconds. */
const CONNECTIONS_WAITING = 4_096;

type Address = { host: string; port: number };

function bind(server: SocketServer, address: Address, reusePort: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...address, backlog: CONNECTIONS_WAITING, reusePort }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

const closed = (server: SocketServer): Promise<void> =>
  new Promise((resolve) => void server.close(() => resolve()));

function cannotListen({ host, port }: Address, error: unknown): CannotListen {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const address = `${host}:${port}`;
  return new CannotListen(
    code === 'EADDRINUSE' ? LISTENING.inUse(address) : LISTENING.failed(address, code),
  );
}

/** Sockets that share a port would also share it with another program, so the port is first asked for exclusively. */
async function reserve(address: Address): Promise<number> {
  const probe = createSocketServer();
  const port = await bind(probe, address, false);
  await closed(probe);
  return port;
}

/**
 * Makes a server listen at an address, on several sockets if the system lets them share a port.
 *
 * @param address port 0 for any free one
 * @returns its port, and a function that ends the listening and resolves when every connection has ended
 * @throws {CannotListen}
 */
export async function listen(
  server: Server | TlsServer,
  address: Address,
): Promise<{ port: number; close: () => Promise<void> }> {
  const bound: SocketServer[] = [];
  async function bindAll(): Promise<number> {
    const port = await reserve(address);
    const own = { host: address.host, port };
    const shares = await bind(server, own, true).then(
      () => true,
      () => false,
    );
    if (!shares) await bind(server, own, false);
    bound.push(server);
    while (shares && bound.length < SOCKETS) {
      // As the server's own socket does.
      const another = createSocketServer({ allowHalfOpen: true, noDelay: true });
      another.on('connection', (socket) => server.emit('connection', socket));
      await bind(another, own, true);
      bound.push(another);
    }
    return port;
  }

  const port = await bindAll().catch(async (error: unknown) => {
    await Promise.all(bound.map(closed));
    throw cannotListen(address, error);
  });
  return {
    port,
    close: async () => {
      await Promise.all(bound.map(closed));
    },
  };
}
