import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Visitor } from './visitor.ts';

/**
 * Starts to send a form. Resolves once the service has admitted the sender and asks for the body, with a function that
 * sends the body and returns the answer.
 */
export async function beginForm(
  baseUrl: string,
  visitor: Visitor,
  address: string,
  { body, type = 'application/x-www-form-urlencoded' }: { body: string; type?: string },
): Promise<() => Promise<{ status: number | undefined; page: string }>> {
  const asked = request(new URL(address, baseUrl), {
    method: 'POST',
    headers: {
      cookie: [...visitor.jar].map(([name, value]) => `${name}=${value}`).join('; '),
      'content-type': type,
      'sec-fetch-site': 'same-origin',
      expect: '100-continue',
    },
  });
  const answered = once(asked, 'response');
  asked.flushHeaders();
  await once(asked, 'continue');
  return async () => {
    asked.end(body);
    const [response] = (await answered) as [IncomingMessage];
    return { status: response.statusCode, page: await text(response) };
  };
}
