import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What happens to the bytes of a connection in each direction. */
type Manner = {
  muteUp: boolean;
  muteDown: boolean;
  delayMs: number;
  repeatNext: boolean;
  /** How many more packets from the server pass before the connection goes silent. */
  answersLeft: number;
};
type Pair = { client: Socket; server: Socket; manner: Manner };
type Connections = {
  /** Also applies to connections made from now on. By default only to existing ones. */
  newOnes?: boolean;
};

/**
 * A TCP proxy in front of a Unix socket, for network faults that no signal to a process can make: bytes that vanish
 * while the connection stays open, one end closed but not the other, delays, and bytes that arrive twice.
 */
export async function startProxy(socketPath: string) {
  const pairs = new Set<Pair>();
  const forNew: Manner = {
    muteUp: false,
    muteDown: false,
    delayMs: 0,
    repeatNext: false,
    answersLeft: Number.POSITIVE_INFINITY,
  };
  let accepted = 0;

  function carry(from: Socket, to: Socket, pair: Pair, mute: 'muteUp' | 'muteDown'): void {
    from.on('data', (bytes) => {
      const { manner } = pair;
      if (manner[mute]) return;
      if (mute === 'muteDown' && manner.answersLeft-- <= 0) {
        manner.muteUp = true;
        manner.muteDown = true;
        return;
      }
      const repeated = mute === 'muteDown' && manner.repeatNext;
      if (repeated) manner.repeatNext = false;
      const send = (): void => void to.write(repeated ? Buffer.concat([bytes, bytes]) : bytes);
      if (manner.delayMs > 0) setTimeout(send, manner.delayMs);
      else send();
    });
    // A silent proxy passes on neither an end nor a break, like a network that forwards nothing.
    from.on('end', () => pair.manner[mute] || to.end());
    from.on('close', () => {
      if (!pair.manner[mute]) to.destroy();
    });
    from.on('error', () => undefined);
  }

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    accepted++;
    const server = connect({ path: socketPath, allowHalfOpen: true });
    const pair: Pair = { client, server, manner: { ...forNew } };
    pairs.add(pair);
    client.once('close', () => pairs.delete(pair));
    carry(client, server, pair, 'muteUp');
    carry(server, client, pair, 'muteDown');
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  function change(manner: Partial<Manner>, { newOnes = false }: Connections): void {
    for (const pair of pairs) Object.assign(pair.manner, manner);
    if (newOnes) Object.assign(forNew, manner);
  }

  return {
    port: (listener.address() as AddressInfo).port,
    accepted: () => accepted,
    /** Stops forwarding to the server, from it, or in both directions. */
    mute(way: 'up' | 'down' | 'both' = 'both', connections: Connections = {}): void {
      change(
        { ...(way !== 'down' && { muteUp: true }), ...(way !== 'up' && { muteDown: true }) },
        connections,
      );
    },
    /** New connections work again, while silent ones stay silent. */
    healNewOnes: () => void Object.assign(forNew, { muteUp: false, muteDown: false }),
    /** Connections made from now on go silent after this many packets from the server. */
    muteNewOnesAfter: (answers: number) => void (forNew.answersLeft = answers),
    delay: (delayMs: number) => change({ delayMs }, { newOnes: true }),
    /** The next answer on each connection arrives twice. */
    repeatNext: () => change({ repeatNext: true }, {}),
    /** Tells clients that the server has nothing more to say, and goes on accepting what they send. */
    endDown(): void {
      for (const { client } of pairs) client.end();
    },
    async stop(): Promise<void> {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      listener.close();
      await once(listener, 'close');
    },
  };
}
export type Proxy = Awaited<ReturnType<typeof startProxy>>;
