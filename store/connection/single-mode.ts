import type { Redis } from 'ioredis';
import { z } from 'zod';
import { parseJson } from '#schemas/json.ts';
import { changeIf } from '../functions/change-if.ts';
import { keys } from '../keys.ts';

/** Field of `cpf:dataset`: who ordered that nothing waits for replicas for a time; empty once that is over. */
export const SINGLE_FIELD = 'single';

const singleSchema = z.object({
  by: z.string(),
  at: z.iso.datetime(),
  /** Replicas have been away since it was ordered, or were away then. */
  away: z.boolean(),
});
export type SingleMode = z.infer<typeof singleSchema>;

/** Who ordered that no replica is waited for; `undefined` if they are. An unreadable order is no order. */
export const singleMode = (text: string | null | undefined): SingleMode | undefined =>
  singleSchema.safeParse(parseJson(text ?? '')).data;

/** Changes the order, unless it is another one by now. @returns whether it did */
export const changeSingleMode = (
  redis: Redis,
  order: string,
  to: SingleMode | '',
): Promise<boolean> =>
  changeIf(
    redis,
    keys.dataset,
    [SINGLE_FIELD, order],
    'set',
    SINGLE_FIELD,
    to === '' ? '' : JSON.stringify(to),
  );
