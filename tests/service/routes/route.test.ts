import { expect, test } from 'vitest';
import { z } from 'zod';
import { createApp } from '#service/app.ts';
import { openApi } from '#service/description/openapi.ts';
import { mount, type Route } from '#service/routes/route.ts';
import { createLog } from '#service/telemetry/create-log.ts';

/** Everything an endpoint needs: one file, and one line in `service/routes/routes.ts`. */
const greeting: Route<{ name: string }> = {
  operation: {
    method: 'GET',
    path: '/greetings/:language',
    id: 'greeting',
    tag: 'Service',
    description: 'A greeting.',
    summary: 'Says hello',
    letsIn: 'anybody',
    answer: { description: 'Hello.', content: { 'text/plain': { schema: z.string() } } },
    refusals: ['not-found'],
  },
  handler:
    ({ name }) =>
    (c) =>
      new Response(`${c.req.param('language')}: ${name}`),
};
const guarded: Route<unknown> = {
  operation: { ...greeting.operation, id: 'guarded', path: '/guarded', letsIn: 'lookup' },
  handler: () => () => new Response('let in'),
};
const posted: Route<unknown> = {
  operation: { ...greeting.operation, id: 'posted', method: 'POST' },
  handler: () => () => new Response('posted'),
};
const probed: Route<unknown> = {
  operation: { ...greeting.operation, id: 'probed', path: '/probed', optionsAt: ['/probed', '/'] },
  handler: () => () => new Response('alive', { status: 503 }),
};
const routes = [greeting, guarded, posted, probed];

const app = createApp(mount(routes, { name: 'Ann' }), {
  log: createLog('error', { write: () => undefined }),
});
const env = { incoming: { headers: {}, rawHeaders: [] } };

test('a route is served and described as its one file says', async () => {
  expect(await (await app.request('/greetings/en', {}, env)).text()).toBe('en: Ann');
  expect(
    openApi(
      routes.map(({ operation }) => operation),
      '1',
    ).paths['/greetings/{language}'],
  ).toMatchObject({ get: { operationId: 'greeting', security: [], responses: { 404: {} } } });
});

test.for([
  ['/greetings/en', 'GET, HEAD, POST'],
  // An answer to a HEAD would be recorded as if it had been read.
  ['/guarded', 'GET'],
  ['/probed', 'GET, HEAD, OPTIONS'],
] as const)('the allowed methods of %s are those of its routes', async ([path, allow]) => {
  const response = await app.request(path, { method: 'DELETE' }, env);
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe(allow);
});

test('OPTIONS is answered like GET where a load balancer uses it, and nowhere else', async () => {
  const options = async (path: string) => {
    const response = await app.request(path, { method: 'OPTIONS' }, env);
    return [response.status, (await response.text()).slice(0, 5)];
  };
  expect(await options('/probed')).toEqual([503, 'alive']);
  expect(await options('/')).toEqual([503, 'alive']);
  expect(await options('/guarded')).toEqual([405, expect.anything()]);
  const get = await app.request('/', {}, env);
  expect([get.status, get.headers.get('allow')]).toEqual([404, null]);
});

test('an unknown address is refused in the format of its part of the service', async () => {
  const plain = await app.request('/nowhere', {}, env);
  expect(await plain.json()).toMatchObject({ code: 'not-found', checked: false });
  // Without a FHIR route there is no FHIR service that could refuse it.
  const fhir = await app.request('/FHIR/R4/Patient', {}, env);
  expect(await fhir.json()).toMatchObject({ code: 'not-found' });
});

test('addresses that the router could only match one by one at each request stop the start', () => {
  const at = (path: string) => ({
    ...posted,
    operation: { ...posted.operation, path },
  });
  const log = createLog('error', { write: () => undefined });
  const both = mount([at('/greetings/role'), at('/greetings/:language/over')], {});
  expect(() => createApp(both, { log })).toThrow('/greetings/:language/over');
});
