import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { SAFE_HEADERS } from '../http/headers.ts';
import type { Route } from './route.ts';

/** A page of `docs/`, unchanged, for suppliers who have only the running service. */
const pageOf = (
  name: 'integrating.md' | 'lookup-examples.md',
  { id, summary, description }: { id: string; summary: string; description: string },
): Route<unknown> => ({
  operation: {
    method: 'GET',
    path: `/docs/${name}`,
    id,
    tag: 'Service',
    summary,
    description,
    letsIn: 'anybody',
    answer: { description: 'The page.', content: { 'text/markdown': { schema: z.string() } } },
  },
  handler: () => {
    let text: string | undefined;
    return () =>
      new Response(
        (text ??= readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')),
        {
          status: 200,
          headers: { ...SAFE_HEADERS, 'content-type': 'text/markdown; charset=utf-8' },
        },
      );
  },
});

export const guide = pageOf('integrating.md', {
  id: 'guide',
  summary: 'The guide for suppliers',
  description: 'When to look up, what to show, and test numbers.',
});

export const lookupExamples = pageOf('lookup-examples.md', {
  id: 'lookupExamples',
  summary: 'The examples for suppliers',
  description: 'One lookup in JavaScript, Python and C#, and tokens of a demo for more users.',
});
