import { z } from 'zod';
import type { ApiDescription } from '../description/description.ts';
import type { Route } from './route.ts';

/** `GET /docs`: the API description for people. */
export const docs: Route<{ description: ApiDescription }> = {
  operation: {
    method: 'GET',
    path: '/docs',
    id: 'docs',
    tag: 'Service',
    summary: 'This API description, as a page',
    description: 'One page, without scripts or anything from other servers; it works offline.',
    letsIn: 'anybody',
    answer: { description: 'The page.', content: { 'text/html': { schema: z.string() } } },
  },
  handler: ({ description }) => description.page,
};
