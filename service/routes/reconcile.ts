import { z } from 'zod';
import { LoadFailed } from '#loaders/load-failed.ts';
import {
  formatReconciliation,
  RECONCILIATION_FORMATS,
} from '#loaders/reconcile/reconciliation-text.ts';
import { reconciliationSchema } from '#schemas/uploads/reconciliation.ts';
import type { Store } from '#store/store.ts';
import { authorityHeaders } from '../description/operation.ts';
import { answerHeaders } from '../http/headers.ts';
import { idFields } from '../http/request-ids.ts';
import { openBody } from '../uploads/body.ts';
import { mediaType, preferredFormat } from '../uploads/format.ts';
import { type AuthorityGuardDependencies, guardedAuthority } from '../uploads/guarded-authority.ts';
import { type ComparingDependencies, compareExport } from '../uploads/reconcile.ts';
import { FILE_LIMITS, fileMediaTypes, fileOf } from '../uploads/request.ts';
import { createSharedPlaces } from '../uploads/shared-places.ts';
import type { Route } from './route.ts';

type ReconcileDependencies = AuthorityGuardDependencies &
  ComparingDependencies & {
    store: Pick<Store, 'authority'>;
  };

/** Each reads the whole store, with an authority's rows in memory; one at a time for each authority. */
const AT_ONCE = 2;

/** `POST /reconcile`: compares a case system's export with what is held for its authority; changes nothing. */
export const reconcile: Route<ReconcileDependencies> = {
  operation: {
    method: 'POST',
    path: '/reconcile',
    id: 'reconcile',
    tag: 'Authorities',
    summary: 'Compare a case system with what is held',
    description:
      'The body is every plan the case system has, in the form of an upload, also gzipped; it needs no sequence number. Each plan on either side is the same, differs, is only here or only there. Nothing is changed. Each comparison is audited as a reading of the holdings.',
    letsIn: 'authority',
    parameters: authorityHeaders,
    body: Object.fromEntries(fileMediaTypes.map((type) => [type, { schema: z.string() }])),
    answer: {
      description:
        'Compared, or `compared` is false and `problems` say why the file cannot be read.',
      content: {
        'application/json': { schema: reconciliationSchema },
        'text/csv': { schema: z.string() },
        'text/plain': { schema: z.string() },
      },
    },
    refusals: [
      'upload-media-type',
      'upload-encoding-invalid',
      'upload-too-large',
      'upload-cut-short',
      'uploads-busy',
      'authority-unknown',
      'store-unavailable',
    ],
  },
  handler({ store, readiness, loads, ...guard }) {
    const { log } = guard;
    const places = createSharedPlaces({ inAll: AT_ONCE, ofOne: 1 });
    return guardedAuthority(guard, 'store-unavailable', async (c, admitted) => {
      const { incoming, outgoing } = c.env;
      const { ids, authority: code } = admitted;
      const file = fileOf(incoming, loads.maxBytes);
      if (typeof file === 'string') return { code: file };
      // A store not known to be whole would make an authority repair what is not broken.
      if (!readiness.open) return { code: 'store-unavailable' };
      const authority = await store.authority(code);
      if (authority === undefined) return { code: 'authority-unknown' };
      const ended = places.take(code);
      if (ended === undefined) return { code: 'uploads-busy' };
      const body = openBody(incoming, outgoing, file.gzip, FILE_LIMITS);
      try {
        const source = { name: file.name, stream: body.stream };
        const reconciliation = await compareExport(
          { store, readiness, loads },
          admitted,
          authority,
          source,
          'http',
        );
        const wanted = preferredFormat(c, RECONCILIATION_FORMATS);
        const format = RECONCILIATION_FORMATS.find((known) => known === wanted) ?? 'json';
        return new Response(formatReconciliation(reconciliation, format), {
          status: 200,
          headers: answerHeaders(mediaType(format), ids),
        });
      } catch (error) {
        if (!(error instanceof LoadFailed)) throw error;
        const problem = body.problem();
        if (problem !== undefined) return { code: problem };
        log.error('An export could not be compared.', { cause: error.message, ...idFields(ids) });
        return { code: 'store-unavailable' };
      } finally {
        body.stream.destroy();
        ended();
      }
    });
  },
};
