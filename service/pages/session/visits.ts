import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Cookies } from './cookies.ts';
import type { Sealer } from './seal.ts';

/** A sign-in under way: what its answer is compared with. */
const flowSchema = z.strictObject({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  begunAt: z.int(),
});
export type Flow = z.infer<typeof flowSchema>;

const visitSchema = z.strictObject({ id: z.uuid(), flows: z.array(flowSchema) });
/** A browser in which nobody is signed in yet. */
export type Visit = z.infer<typeof visitSchema>;

export const FLOW_LASTS_MS = 15 * 60_000;
/** Tabs in which one person signs in at the same time. */
const FLOWS_AT_MOST = 4;

export type Visits = {
  /** That of the browser's cookie, or a new one. */
  read: (incoming: Pick<IncomingMessage, 'headers'>) => Visit;
  cookie: (visit: Visit) => string;
  /** With one more sign-in under way. */
  withFlow: (visit: Visit, flow: Omit<Flow, 'begunAt'>) => Visit;
  /** Takes the sign-in of a state out of a visit; there is none where it was used or took too long. */
  takeFlow: (visit: Visit, provider: string, state: string) => { visit: Visit; flow?: Flow };
};

export function createVisits(
  sealer: Sealer,
  cookies: Cookies,
  now: () => number = Date.now,
): Visits {
  const inTime = ({ begunAt }: Flow): boolean => now() - begunAt < FLOW_LASTS_MS;
  return {
    read(incoming) {
      const cookie = cookies.read(incoming, 'visit');
      const opened = cookie === undefined ? undefined : sealer.open('visit', cookie);
      return visitSchema.safeParse(opened).data ?? { id: randomUUID(), flows: [] };
    },
    cookie: (visit) => cookies.set('visit', sealer.seal('visit', visit)),
    withFlow: ({ id, flows }, flow) => ({
      id,
      flows: [...flows.filter(inTime), { ...flow, begunAt: now() }].slice(-FLOWS_AT_MOST),
    }),
    takeFlow({ id, flows }, provider, state) {
      const flow = flows.find(
        (each) => each.provider === provider && each.state === state && inTime(each),
      );
      const visit = { id, flows: flows.filter((each) => each !== flow) };
      return flow === undefined ? { visit } : { visit, flow };
    },
  };
}
