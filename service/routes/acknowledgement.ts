import { z } from 'zod';
import { acknowledgementFormats, formatAcknowledgement } from '#loaders/answers/answers.ts';
import { type Acknowledgement, acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import type { Store } from '#store/store.ts';
import { EXAMPLES } from '../description/examples.ts';
import { authorityHeaders, type Content, type Parameter } from '../description/operation.ts';
import { answerHeaders } from '../http/headers.ts';
import type { RouteContext } from '../http/route.ts';
import { mediaType, preferredFormat } from '../uploads/format.ts';
import {
  type AdmittedAuthority,
  type AuthorityGuardDependencies,
  guardedAuthority,
} from '../uploads/guarded-authority.ts';
import type { Route } from './route.ts';

type AcknowledgementDependencies = AuthorityGuardDependencies & {
  store: Pick<Store, 'intakeState' | 'fileOf'>;
};

export const acknowledgementContent: Content = {
  'application/json': { schema: acknowledgementSchema, example: EXAMPLES.acknowledgement },
  'text/csv': { schema: z.string() },
  'text/plain': { schema: z.string() },
  'application/xml': { schema: z.string() },
};
export const sequenceInPath: Parameter = {
  name: 'sequence',
  in: 'path',
  required: true,
  description: 'The number of the file.',
  schema: z.int().min(0).max(999_999_999_999_999),
  example: 412,
};

/** The file's own number in the address. */
export function sequenceOf({ req }: RouteContext): number | undefined {
  const text = req.param('sequence') ?? '';
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** An acknowledgement in the format asked for. */
export function acknowledged(
  c: RouteContext,
  { ids }: AdmittedAuthority,
  acknowledgement: Acknowledgement,
): Response {
  const formats = acknowledgementFormats(acknowledgement);
  const format = preferredFormat(c, formats);
  return new Response(formatAcknowledgement(acknowledgement, format), {
    status: 200,
    headers: answerHeaders(mediaType(format), ids),
  });
}

/** `GET /uploads/{sequence}`: what became of one of the authority's own files. */
export const acknowledgement: Route<AcknowledgementDependencies> = {
  operation: {
    method: 'GET',
    path: '/uploads/:sequence',
    id: 'acknowledgement',
    tag: 'Authorities',
    summary: 'The acknowledgement of an upload',
    description: 'The answer that the upload was given, found by its sequence number.',
    letsIn: 'authority',
    parameters: [sequenceInPath, ...authorityHeaders],
    answer: { description: 'The acknowledgement.', content: acknowledgementContent },
    refusals: ['acknowledgement-not-found', 'store-unavailable'],
  },
  handler: ({ store, ...guard }) =>
    guardedAuthority(guard, 'store-unavailable', async (c, admitted) => {
      const sequence = sequenceOf(c);
      if (sequence === undefined) return { code: 'acknowledgement-not-found' };
      const { sequenceOffset } = await store.intakeState(admitted.authority);
      const entry = await store.fileOf(admitted.authority, sequence + sequenceOffset);
      if (entry === undefined) return { code: 'acknowledgement-not-found' };
      const stored: unknown = JSON.parse(entry.acknowledgement);
      return acknowledged(c, admitted, acknowledgementSchema.parse(stored));
    }),
};
