import { z } from 'zod';
import { formatNotice, NOTICE_FORMATS } from '#loaders/answers/answers.ts';
import { inactiveNumbersNoticeSchema } from '#schemas/uploads/notice.ts';
import { authorityHeaders } from '../description/operation.ts';
import { answerHeaders } from '../http/headers.ts';
import { mediaType, preferredFormat } from '../uploads/format.ts';
import { type AuthorityGuardDependencies, guardedAuthority } from '../uploads/guarded-authority.ts';
import { readNotice } from '../uploads/notices.ts';
import { sequenceInPath, sequenceOf } from './acknowledgement.ts';
import type { Route } from './route.ts';

type NoticeDependencies = AuthorityGuardDependencies & {
  /** The folder of notices. */
  loads: { noticesDir: string };
};

/**
 * `GET /uploads/{sequence}/notice`: the notice of numbers no longer in use for an upload over HTTP, whose
 * sender watches no folder.
 */
export const notice: Route<NoticeDependencies> = {
  operation: {
    method: 'GET',
    path: '/uploads/:sequence/notice',
    id: 'notice',
    tag: 'Authorities',
    summary: 'The NHS numbers of an upload that are no longer in use',
    description: 'Found by tracing. Correct them in the case system, and send the records again.',
    letsIn: 'authority',
    parameters: [sequenceInPath, ...authorityHeaders],
    answer: {
      description: 'Each with the number that replaced it, if there is one.',
      content: {
        'application/json': { schema: inactiveNumbersNoticeSchema },
        'text/csv': { schema: z.string() },
        'application/xml': { schema: z.string() },
      },
    },
    refusals: ['notice-not-found', 'store-unavailable'],
  },
  handler: ({ loads, ...guard }) =>
    guardedAuthority(guard, 'store-unavailable', async (c, { ids, authority }) => {
      const sequence = sequenceOf(c);
      const found =
        sequence === undefined
          ? undefined
          : await readNotice(loads.noticesDir, authority, sequence);
      if (found === undefined) return { code: 'notice-not-found' };
      const wanted = preferredFormat(c, NOTICE_FORMATS);
      const format = NOTICE_FORMATS.find((known) => known === wanted) ?? 'json';
      return new Response(formatNotice(found, format), {
        status: 200,
        headers: answerHeaders(mediaType(format), ids),
      });
    }),
};
