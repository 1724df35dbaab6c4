/** PEM texts: the authority for the server's certificate, and the client's own certificate and key. */
export type TlsTexts = { ca?: string; cert?: string; key?: string };

/** Where a store is and which user to connect as. Either `socketPath` or `url`. */
export type StoreAddress = {
  socketPath?: string;
  url?: string;
  username?: string;
  password?: string;
  /** For connections by TLS (`rediss:`, `rediss+sentinel:`). */
  tls?: TlsTexts;
  /** The client's own credentials for sentinels, if `url` names sentinels. */
  sentinel?: { username?: string; password?: string; tls?: TlsTexts };
  /** How many replicas a write waits for before it counts as done. Default 0. */
  replicas?: number;
};

export type HostPort = { host: string; port: number };

/** Where to connect: to one server, or to the primary that sentinels name. */
type Place = { username?: string; password?: string; tls: boolean } & (
  | { kind: 'socket'; path: string }
  | { kind: 'server'; server: HostPort }
  | { kind: 'sentinels'; sentinels: HostPort[]; master: string }
);

const STANDARD_PORT = 6379;
const SENTINEL_PORT = 26_379;
/** `new URL` cannot read it, since it names several hosts. */
const SENTINELS =
  /^rediss?\+sentinel:\/\/(?:(?<user>[^/@]*)@)?(?<hosts>[^/@]+)\/(?<master>[\w.-]+)$/;

function hostPort(text: string): HostPort {
  const [, host = text, port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  return {
    host: host.replaceAll(/^\[|\]$/g, ''),
    port: port === undefined ? SENTINEL_PORT : Number(port),
  };
}

function credentials(user: string | undefined): { username?: string; password?: string } {
  const [username = '', password = ''] = (user ?? '').split(':', 2).map(decodeURIComponent);
  return { ...(username !== '' && { username }), ...(password !== '' && { password }) };
}

/** @param text as REDIS_URL is written */
export function placeOf(text: string): Place {
  const groups = SENTINELS.exec(text)?.groups;
  if (groups !== undefined) {
    const { user, hosts = '', master = '' } = groups;
    return {
      kind: 'sentinels',
      sentinels: hosts.split(',').map(hostPort),
      master,
      tls: text.startsWith('rediss'),
      ...credentials(user),
    };
  }
  const url = new URL(text);
  const user = credentials(`${url.username}:${url.password}`);
  if (url.protocol === 'unix:') {
    return { kind: 'socket', path: decodeURIComponent(url.pathname), tls: false, ...user };
  }
  return {
    kind: 'server',
    server: {
      host: url.hostname.replaceAll(/^\[|\]$/g, ''),
      port: url.port === '' ? STANDARD_PORT : Number(url.port),
    },
    tls: url.protocol === 'rediss:',
    ...user,
  };
}
