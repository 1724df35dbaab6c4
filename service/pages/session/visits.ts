import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Cookies } from './cookies.ts';
import type { Sealer } from './seal.ts';

/** A sign-in under way, with which its answer is compared. */
const flowSchema = z.strictObject({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  begunAt: z.int(),
});
export type Flow = z.infer<typeof flowSchema>;

const visitSchema = z.object({ id: z.uuid() });
/** A browser in which nobody is signed in yet. */
type Visit = z.infer<typeof visitSchema>;

const FLOW_LASTS_MS = 15 * 60_000;
/** Tabs in which one person signs in at the same time. */
const FLOWS_AT_MOST = 4;

type Asked = Pick<IncomingMessage, 'headers'>;

export type Visits = {
  /** The visit in the browser's cookie, or a new one. */
  read: (incoming: Asked) => Visit;
  cookie: (visit: Visit) => string;
  /** The cookies of one more sign-in under way, replacing the oldest if there are too many. */
  begin: (incoming: Asked, flow: Omit<Flow, 'begunAt'>) => string[];
  /** The sign-in with this state, and the removal of its cookie; `undefined` if there is none, or it took too long. */
  find: (
    incoming: Asked,
    provider: string,
    state: string,
  ) => { flow: Flow; ended: string } | undefined;
};

/**
 * What is known about a browser in which nobody is signed in yet. Each sign-in under way has its own cookie:
 * tabs that start at the same moment would overwrite each other's in a shared one.
 */
export function createVisits(sealer: Sealer, cookies: Cookies): Visits {
  const nameOf = (state: string) => `flow-${state}` as const;

  function open(sealed: string | undefined): Flow | undefined {
    const opened = sealed === undefined ? undefined : sealer.open('visit', sealed);
    const flow = flowSchema.safeParse(opened).data;
    return flow !== undefined && Math.abs(Date.now() - flow.begunAt) < FLOW_LASTS_MS
      ? flow
      : undefined;
  }

  return {
    read(incoming) {
      const cookie = cookies.read(incoming, 'visit');
      const opened = cookie === undefined ? undefined : sealer.open('visit', cookie);
      return visitSchema.safeParse(opened).data ?? { id: randomUUID() };
    },
    cookie: (visit) => cookies.set('visit', sealer.seal('visit', visit)),
    begin(incoming, flow) {
      const others = cookies
        .named(incoming, 'flow-')
        .map((name) => ({ name, begunAt: open(cookies.read(incoming, name))?.begunAt ?? 0 }))
        .toSorted((one, other) => other.begunAt - one.begunAt);
      const sealed = sealer.seal('visit', { ...flow, begunAt: Date.now() });
      return [
        ...others.slice(FLOWS_AT_MOST - 1).map(({ name }) => cookies.set(name, undefined)),
        cookies.set(nameOf(flow.state), sealed),
      ];
    },
    find(incoming, provider, state) {
      const name = nameOf(state);
      const flow = open(cookies.read(incoming, name));
      return flow?.provider === provider && flow.state === state
        ? { flow, ended: cookies.set(name, undefined) }
        : undefined;
    },
  };
}
