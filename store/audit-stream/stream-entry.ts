import {
  type AuditEvent,
  auditEventSchema,
  placedSchema,
  shownPlanSchema,
  sourceSchema,
} from '#schemas/audit/audit-event.ts';
import { fromEpochDay } from '#schemas/calendar.ts';
import { LOOKUP_OUTCOMES } from '#schemas/lookup.ts';
import { planTypeOfLetter } from '#schemas/plans/plan.ts';
import type { AuditPartition } from '../keys.ts';
import { splitRows } from '../rows/rows.ts';

const STORES_OWN = Object.keys(placedSchema.shape);

/** What the fields of a stream's entry say, `undefined` where they are not as the functions write them. */
export function joinEvent(partition: AuditPartition, number: number, fields: readonly string[]) {
  const field = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) field.set(fields[i] ?? '', fields[i + 1] ?? '');
  const outcome = LOOKUP_OUTCOMES.find((known) => known === field.get('outcome'));
  const shown = field.get('shown');
  const sources = field.get('sources');
  const accesses = field.get('accesses');
  const at = Number(field.get('at'));
  const written: unknown = JSON.parse(field.get('event') ?? '');
  if (!Number.isSafeInteger(at) || typeof written !== 'object' || written === null) {
    return undefined;
  }
  if (Array.isArray(written) || STORES_OWN.some((member) => member in written)) return undefined;
  return {
    partition,
    number,
    at,
    ...(outcome !== undefined && { outcome }),
    ...(shown !== undefined && {
      shown: splitRows(shown).map((plan) => {
        const [authority, letter, start, status, dateOfBirth] = plan.split('\u001f');
        return shownPlanSchema.parse({
          authority,
          type: planTypeOfLetter(letter ?? ''),
          startDate: fromEpochDay(Number(start)),
          status,
          dateOfBirth,
        });
      }),
    }),
    ...(sources !== undefined && {
      sources: splitRows(sources).map((source) => {
        const [localId, sequence] = source.split('\u001f');
        return sourceSchema.parse({ ...(localId && { localId }), sequence: Number(sequence) });
      }),
    }),
    ...(accesses !== undefined && {
      accessesShown: accesses === '' ? [] : accesses.split(','),
    }),
    ...written,
  };
}

/** @throws where the entry is no event of this version */
export function parseStreamEvent(
  partition: AuditPartition,
  id: string,
  fields: string[],
): AuditEvent {
  return auditEventSchema.parse(joinEvent(partition, Number(id.slice(2)), fields));
}
