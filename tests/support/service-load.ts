import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { z } from 'zod';

/** The result of one lookup: an answer that was read in full, a refusal, or unknown. */
export type Sent = { requestId: string; nhsNumber: string; status?: number; auditId?: string };

const TRIED_AGAIN_AT_MOST = 20;
const TRIED_AGAIN_AFTER_MS = 200;

const answerSchema = z.object({ auditId: z.string() });

function sendOne(agent: Agent, baseUrl: string, token: string, nhsNumber: string): Promise<Sent> {
  const requestId = randomUUID();
  const body = JSON.stringify({ nhsNumber });
  const sent: Sent = { requestId, nhsNumber };
  return new Promise((resolve) => {
    const outgoing = request(
      `${baseUrl}/lookup`,
      {
        agent,
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': body.length,
          'x-request-id': requestId,
        },
      },
      (incoming) => {
        let text = '';
        incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
        incoming.on('error', () => resolve(sent));
        incoming.on('end', () => {
          sent.status = incoming.statusCode ?? 0;
          if (sent.status === 200) sent.auditId = answerSchema.parse(JSON.parse(text)).auditId;
          resolve(sent);
        });
      },
    );
    outgoing.on('error', () => resolve(sent));
    outgoing.end(body);
  });
}

/**
 * Looks up numbers over several kept-alive connections, one after another on each, until it is stopped. It asks for the
 * address before each lookup, so that a load can be moved. Like a client, it tries again if a check could not be made,
 * as happens when a machine is too busy to poll its store.
 */
export function startLoad(
  baseUrl: () => string,
  token: string,
  numbers: readonly string[],
  connections = 16,
) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const all: Sent[] = [];
  const until = new AbortController();
  async function work(from: number): Promise<void> {
    for (let i = from; !until.signal.aborted; i++) {
      const number = numbers[i % numbers.length] ?? '';
      let sent = await sendOne(agent, baseUrl(), token, number);
      for (let again = 0; sent.status === 503 && again < TRIED_AGAIN_AT_MOST; again++) {
        await new Promise((resolve) => setTimeout(resolve, TRIED_AGAIN_AFTER_MS));
        sent = await sendOne(agent, baseUrl(), token, number);
      }
      all.push(sent);
      // If nobody answers, a short rest keeps this from becoming a flood of failures.
      if (sent.status === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  const workers = Array.from({ length: connections }, (_, i) => work(i));
  return {
    /** The lookups that have ended so far. */
    all: all as readonly Sent[],
    answered: (): number => all.filter(({ auditId }) => auditId !== undefined).length,
    async stop(): Promise<readonly Sent[]> {
      until.abort();
      await Promise.all(workers);
      agent.destroy();
      return all;
    },
  };
}
