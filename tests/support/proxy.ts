import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What happens to the bytes of a connection, either way. */
type Manner = {
  muteUp: boolean;
  muteDown: boolean;
  delayMs: number;
  repeatNext: boolean;
  /** Packets from the server that still pass before the connection goes silent. */
  answersLeft: number;
};
type Pair = { client: Socket; server: Socket; manner: Manner };
type Connections = {
  /** Including connections made from now on. Default: only existing ones. */
  newOnes?: boolean;
};

/**
 * A TCP proxy in front of a Unix socket, for faults of a network that no signal to a process makes: bytes
 * that vanish while the connection stays, one end closed and not the other, delay, bytes that come twice.
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
    // As over a network that forwards nothing, a silent proxy passes on neither an end nor a break.
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
    /** Connections taken so far. */
    accepted: () => accepted,
    /** Forwards nothing more: to the server, from it, or in both directions. */
    mute(way: 'up' | 'down' | 'both' = 'both', connections: Connections = {}): void {
      change(
        { ...(way !== 'down' && { muteUp: true }), ...(way !== 'up' && { muteDown: true }) },
        connections,
      );
    },
    /** New connections work again; silent ones stay so. */
    healNewOnes: () => void Object.assign(forNew, { muteUp: false, muteDown: false }),
    /** Connections made from now on go silent after this many packets from the server. */
    muteNewOnesAfter: (answers: number) => void (forNew.answersLeft = answers),
    delay: (delayMs: number) => change({ delayMs }, { newOnes: true }),
    /** The next answer on each connection comes twice. */
    repeatNext: () => change({ repeatNext: true }, {}),
    /** Tells clients that the server has nothing more to say, and continues taking what they send. */
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
