import { z } from 'zod';
import {
  type AuditEvent,
  auditEventSchema,
  isEventTime,
  shownPlanSchema,
  sourceSchema,
} from '#schemas/audit/audit-event.ts';
import { fromEpochDay } from '#schemas/calendar.ts';
import { LOOKUP_OUTCOMES } from '#schemas/lookup.ts';
import { planTypeOfLetter } from '#schemas/plans/plan.ts';
import type { AuditPartition } from '../keys.ts';
import { splitRows } from '../rows/rows.ts';
import { STORES_OWN } from './lookup-frames.ts';

/** What every event has, whatever the version that wrote it. */
const anyEventSchema = z.looseObject({
  // This service seals `unreadable` instead of something that is not an event, and never writes it into a stream.
  type: z.string().refine((type) => type !== 'unreadable'),
  auditId: z.uuid(),
});

/** The time of an entry with these fields; `undefined` if it has none that a function wrote. */
export function timeOf(fields: readonly string[]): number | undefined {
  const place = fields.indexOf('at');
  const text = place % 2 === 0 ? fields[place + 1] : undefined;
  if (text === undefined || !/^[0-9]+$/.test(text)) return undefined;
  const at = Number(text);
  return isEventTime(at) ? at : undefined;
}

/** What the fields of a stream's entry say, `undefined` if they are not as the functions write them. */
export function joinEvent(partition: AuditPartition, number: number, fields: readonly string[]) {
  const field = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) field.set(fields[i] ?? '', fields[i + 1] ?? '');
  const outcome = LOOKUP_OUTCOMES.find((known) => known === field.get('outcome'));
  const shown = field.get('shown');
  const sources = field.get('sources');
  const accesses = field.get('accesses');
  const whereabouts = field.get('whereabouts');
  const at = timeOf(fields);
  const written: unknown = JSON.parse(field.get('event') ?? '');
  if (at === undefined || typeof written !== 'object' || written === null) return undefined;
  if (STORES_OWN.some((member) => member in written)) return undefined;
  if (!anyEventSchema.safeParse(written).success) return undefined;
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
    ...(whereabouts !== undefined && { whereaboutsOf: whereabouts.split(',') }),
    ...written,
  };
}

/** @throws if the entry is no event of this version */
export function parseStreamEvent(
  partition: AuditPartition,
  id: string,
  fields: string[],
): AuditEvent {
  return auditEventSchema.parse(joinEvent(partition, Number(id.slice(2)), fields));
}
