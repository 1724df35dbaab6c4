import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { SAFE_HEADERS } from '../http/headers.ts';
import type { Route } from './route.ts';

const GUIDE = new URL('../../docs/integrating.md', import.meta.url);

/** `GET /docs/integrating.md`: when to call and what to show, for those who have only the running service. */
export const guide: Route<unknown> = {
  operation: {
    method: 'GET',
    path: '/docs/integrating.md',
    id: 'guide',
    tag: 'Service',
    summary: 'The guide for suppliers',
    description: 'When to look up, what to show, and test numbers.',
    letsIn: 'anybody',
    answer: { description: 'The guide.', content: { 'text/markdown': { schema: z.string() } } },
  },
  handler: () => {
    let text: string | undefined;
    return () =>
      new Response((text ??= readFileSync(GUIDE, 'utf8')), {
        status: 200,
        headers: { ...SAFE_HEADERS, 'content-type': 'text/markdown; charset=utf-8' },
      });
  },
};
