import { afterAll, beforeAll, expect, test } from 'vitest';
import { authorityClient } from '../../support/authority.ts';
import { startTestService, type TestService } from '../../support/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ authorities: [{ code: 'ZZ101' }, { code: 'ZZ102' }] });
});
afterAll(() => service?.stopAndRemove());

test('no authority keeps others from comparing by sending its own export slowly', async () => {
  const request = authorityClient(service);
  const headers = { 'content-type': 'text/csv' };
  const given = new AbortController();
  const slow = (): Promise<Response> => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('nhs_number')),
    });
    const { signal } = given;
    return request('/reconcile', { method: 'POST', headers, body, signal, duplex: 'half' });
  };
  // One of them is being read; the other is refused at once.
  const refused = await Promise.race([slow(), slow()]);
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ type: '/problems/uploads-busy' });
  const theirs = await request('/reconcile', { method: 'POST', headers, as: 'ZZ102', body: 'a\n' });
  expect(theirs.status).toBe(200);
  given.abort();
});
