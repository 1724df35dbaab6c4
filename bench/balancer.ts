import { type AddressInfo, connect, createServer } from 'node:net';

/** `node bench/balancer.ts PORT...` hands each connection to the next of these ports. */

const ports = process.argv.slice(2).map(Number);
let next = 0;
const server = createServer({ noDelay: true }, (client) => {
  const behind = connect({
    port: ports[next++ % ports.length] ?? 0,
    host: '127.0.0.1',
    noDelay: true,
  });
  client.pipe(behind).pipe(client);
  client.on('error', () => behind.destroy());
  behind.on('error', () => client.destroy());
});
server.listen(0, '127.0.0.1', () =>
  console.log(`hello on ${(server.address() as AddressInfo).port}`),
);
process.on('SIGTERM', () => process.exit(0));
