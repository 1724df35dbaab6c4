import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { until } from './until.ts';
import type { Visitor } from './visitor.ts';

/**
 * Starts to send a form. Resolves once the service has admitted the sender and asks for the body, with a function that
 * sends the body and returns the answer. A sender who cannot be admitted at the moment tries again.
 */
export async function beginForm(
  baseUrl: string,
  visitor: Visitor,
  address: string,
  { body, type = 'application/x-www-form-urlencoded' }: { body: string; type?: string },
): Promise<() => Promise<{ status: number | undefined; page: string }>> {
  const begin = async () => {
    const asked = request(new URL(address, baseUrl), {
      method: 'POST',
      headers: {
        cookie: [...visitor.jar].map(([name, value]) => `${name}=${value}`).join('; '),
        'content-type': type,
        'sec-fetch-site': 'same-origin',
        expect: '100-continue',
      },
    });
    const answered = once(asked, 'response') as Promise<[IncomingMessage]>;
    asked.flushHeaders();
    const admitted = once(asked, 'continue').then(() => undefined);
    const refused = await Promise.race([admitted, answered.then(([response]) => response)]);
    return { asked, answered, refused };
  };
  let begun = await begin();
  await until(async () => {
    if (begun.refused?.statusCode !== 503) return true;
    begun.asked.destroy();
    begun = await begin();
    return false;
  }, 'the sender to be admitted');
  const { asked, answered, refused } = begun;
  // Otherwise it would be taken for a refusal because of what happened meanwhile.
  if (refused !== undefined) throw new Error(`${address} was refused before its body was sent`);
  return async () => {
    asked.end(body);
    const [response] = await answered;
    return { status: response.statusCode, page: await text(response) };
  };
}
