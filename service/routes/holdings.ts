import { z } from 'zod';
import { holdingsSchema } from '#schemas/uploads/holdings.ts';
import { authorityHeaders } from '../description/operation.ts';
import { answerHeaders } from '../http/headers.ts';
import { mediaType, preferredFormat } from '../uploads/format.ts';
import { type AuthorityGuardDependencies, guardedAuthority } from '../uploads/guarded-authority.ts';
import {
  createHoldingsReader,
  HOLDINGS_FORMATS,
  type HoldingsReaderDependencies,
} from '../uploads/holdings.ts';
import type { Route } from './route.ts';

type HoldingsDependencies = AuthorityGuardDependencies & HoldingsReaderDependencies;

/** `GET /holdings`: everything held for the authority, recorded before the first row is sent. */
export const holdings: Route<HoldingsDependencies> = {
  operation: {
    method: 'GET',
    path: '/holdings',
    id: 'holdings',
    tag: 'Authorities',
    summary: 'All that is held for the authority',
    description: 'To compare a case system with. Each reading is audited.',
    letsIn: 'authority',
    parameters: authorityHeaders,
    answer: {
      description: 'Every plan, including ended and deleted ones.',
      content: {
        'application/json': { schema: holdingsSchema },
        'text/csv': { schema: z.string() },
      },
    },
    refusals: ['authority-unknown', 'store-unavailable'],
  },
  handler(dependencies) {
    const open = createHoldingsReader(dependencies);
    return guardedAuthority(dependencies, 'store-unavailable', async (c, admitted) => {
      const format = preferredFormat(c, HOLDINGS_FORMATS) === 'csv' ? 'csv' : 'json';
      const text = await open(admitted, format, c.env.outgoing);
      return typeof text === 'string'
        ? { code: text }
        : new Response(text, {
            status: 200,
            headers: answerHeaders(mediaType(format), admitted.ids),
          });
    });
  },
};
