import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { z } from 'zod';
import type { OdsCode } from '#schemas/authority.ts';
import { holdingsSchema } from '#schemas/uploads/holdings.ts';
import type { Store } from '#store/store.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { authorityHeaders } from '../description/operation.ts';
import { answerHeaders } from '../http/headers.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import { mediaType, preferredFormat } from '../uploads/format.ts';
import { type AuthorityGuardDependencies, guardedAuthority } from '../uploads/guarded-authority.ts';
import { HOLDINGS_FORMATS, holdingsRead, holdingsText } from '../uploads/holdings.ts';
import type { Route } from './route.ts';

type HoldingsDependencies = AuthorityGuardDependencies & {
  store: Pick<Store, 'authority' | 'rowsOf' | 'appendEvent'>;
  readiness: Pick<Readiness, 'open'>;
};

/** Each reads the whole store. */
const HOLDINGS_AT_ONCE = 4;

/** An answer that cannot be given whole breaks off, so that it cannot be taken for one that was. */
async function* orBrokenOff(
  text: AsyncIterable<string>,
  { log, outgoing, authority }: { log: Log; outgoing: ServerResponse; authority: OdsCode },
): AsyncGenerator<string> {
  try {
    yield* text;
  } catch (error) {
    log.error('holdings were cut short', { ...errorFields(error), authority });
    outgoing.destroy();
  }
}

/** `GET /holdings`: all that is held for the authority, on record before the first row leaves. */
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
      description: 'Every plan, ended and deleted ones too.',
      content: {
        'application/json': { schema: holdingsSchema },
        'text/csv': { schema: z.string() },
      },
    },
    refusals: ['authority-unknown', 'store-unavailable'],
  },
  handler({ store, readiness, ...guard }) {
    const { log } = guard;
    let readings = 0;
    return guardedAuthority(guard, 'store-unavailable', async (c, admitted) => {
      const { ids, authority: code } = admitted;
      // What is not known to be whole would have an authority repair what is not broken.
      if (!readiness.open || readings >= HOLDINGS_AT_ONCE) return { code: 'store-unavailable' };
      const authority = await store.authority(code);
      if (authority === undefined) return { code: 'authority-unknown' };
      // On disk before the first row leaves.
      await store.appendEvent(holdingsRead(admitted));
      const { outgoing } = c.env;
      const format = preferredFormat(c, HOLDINGS_FORMATS) === 'csv' ? 'csv' : 'json';
      const whole = holdingsText(authority, store.rowsOf(code), format);
      const text = Readable.from(orBrokenOff(whole, { log, outgoing, authority: code }), {
        objectMode: false,
      });
      readings += 1;
      text.once('close', () => (readings -= 1));
      // Also where the client went away before the first byte.
      outgoing.once('close', () => text.destroy());
      return new Response(Readable.toWeb(text) as ReadableStream, {
        status: 200,
        headers: answerHeaders(mediaType(format), ids),
      });
    });
  },
};
