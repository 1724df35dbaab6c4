import { type ClientRequest, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UPLOAD } from '#schemas/wording/council.ts';
import { visitorAs } from '../../support/desk.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { hiddenOf, type Visit, type Visitor, wordsOf } from '../../support/visitor.ts';

/** All councils share a limit on how many files can be on their way at once. */

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ authorities: [{ code: 'ZZ101' }, { code: 'ZZ102' }] });
});
afterAll(() => service?.stopAndRemove());

const part = (name: string, rest: string): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"${rest}`;

/** Begins to send a file, and then sends nothing more. */
async function begin(visitor: Visitor, action: string): Promise<ClientRequest> {
  const { token } = hiddenOf(await visitor.get(action), action);
  const sent = request(new URL(action, service.baseUrl), {
    method: 'POST',
    headers: {
      cookie: [...visitor.jar].map(([name, value]) => `${name}=${value}`).join('; '),
      'content-type': 'multipart/form-data; boundary=B',
      'content-length': 10_000,
      'sec-fetch-site': 'same-origin',
    },
  });
  sent.on('error', () => undefined);
  sent.write(part('token', `\r\n\r\n${token}\r\n`));
  sent.write(part('file', '; filename="a.csv"\r\n\r\nnhs_number'));
  return sent;
}

async function send(visitor: Visitor, action: string): Promise<Visit> {
  const { token } = hiddenOf(await visitor.get(action), action);
  const head = part('token', `\r\n\r\n${token}\r\n`);
  return visitor.ask(action, {
    method: 'POST',
    headers: {
      'content-type': 'multipart/form-data; boundary=B',
      'sec-fetch-site': 'same-origin',
    },
    body: `${head}${part('file', '; filename="a.csv"\r\n\r\nnhs_number\r\n--B--\r\n')}`,
  });
}

test.for(['/council/upload', '/council/reconcile'])(
  'no council keeps others from %s by sending files slowly',
  async (action) => {
    const [theirs, ours] = await Promise.all(
      ['ZZ101', 'ZZ102'].map((organisation) =>
        visitorAs(service, { organisation, scopes: ['upload'] }),
      ),
    );
    if (theirs === undefined || ours === undefined) throw new Error('nobody is signed in');
    const begun = await Promise.all(Array.from({ length: 8 }, () => begin(theirs, action)));
    await until(async () => wordsOf(await send(theirs, action)).includes(UPLOAD.busy), 'too many');
    const answer = await send(ours, action);
    expect([answer.status, wordsOf(answer).includes(UPLOAD.busy)]).toEqual([303, false]);
    for (const sent of begun) sent.destroy();
  },
);
