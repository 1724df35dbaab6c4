import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';

/** Looks a child up in a process that may not be there. @throws if it does not answer */
export async function ask(
  address: string | undefined,
  token: string,
  nhsNumber: NhsNumber,
  deadlineMs: number,
): Promise<z.infer<typeof lookupAnswerSchema>> {
  if (address === undefined) throw new Error('not there');
  const response = await fetch(`${address}/lookup`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'x-request-id': randomUUID(),
    },
    body: JSON.stringify({ nhsNumber }),
    signal: AbortSignal.timeout(deadlineMs),
  });
  const body: unknown = await response.json();
  if (response.status !== 200) throw new Error('not answered');
  return lookupAnswerSchema.parse(body);
}
