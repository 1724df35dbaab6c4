import { z } from 'zod';
import { odsCodeSchema } from './authority.ts';
import { shortTextSchema } from './text.ts';

/** How many authorities a list holds at most; England has 153. */
const AUTHORITIES_AT_MOST = 2_000;

const expectedAuthoritySchema = z.strictObject({ code: odsCodeSchema, name: shortTextSchema });

function refuseRepeats(
  authorities: readonly z.infer<typeof expectedAuthoritySchema>[],
  context: z.RefinementCtx,
): void {
  for (const member of ['code', 'name'] as const) {
    const seen = new Set<string>();
    for (const [i, authority] of authorities.entries()) {
      if (seen.has(authority[member])) {
        context.addIssue({
          code: 'custom',
          path: [i, member],
          message: `is the ${member} of an earlier authority too`,
        });
      }
      seen.add(authority[member]);
    }
  }
}

/**
 * EXPECTED_AUTHORITIES_FILE: the authorities whose plans a dataset is to hold, and what they stand for.
 * A negative says so in words, so each is one that a clinician knows.
 */
export const expectedAuthoritiesSchema = z.strictObject({
  /** As a sentence has it: "the 153 councils of England", "a pilot in North Yorkshire". */
  area: shortTextSchema,
  /** `all`: every council of the area. `pilot`: only those listed, whom a negative then names. */
  kind: z.enum(['all', 'pilot'], {
    error: 'must be all (every council of the area) or pilot (only those listed)',
  }),
  authorities: z
    .array(expectedAuthoritySchema)
    .min(1, { error: 'must list at least one authority' })
    .max(AUTHORITIES_AT_MOST, { error: `must list at most ${AUTHORITIES_AT_MOST} authorities` })
    .superRefine(refuseRepeats),
});
export type ExpectedAuthorities = z.infer<typeof expectedAuthoritiesSchema>;
