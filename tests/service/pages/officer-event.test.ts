import { expect, test } from 'vitest';
import { z } from 'zod';
import { writtenEventSchema } from '#schemas/audit/audit-event.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { eventSummary } from '#service/pages/officer/event-summary.ts';

/** What the page of an event does not show: technical, of no meaning to a person, or said in another way. */
const LEFT_OUT = new Set([
  'type',
  'occurredAt',
  'entry',
  'attended',
  'caller.client',
  'caller.role.code',
  'caller.organisation.code',
  'requestId',
  'correlationId',
  'api',
  'decidedBy',
  'search',
  'versions.functions',
  'versions.configuration',
  'nhsNumberHash',
  'words',
]);

function inner(schema: unknown): unknown {
  if (schema instanceof z.ZodPipe) return inner(schema.in);
  return schema instanceof z.ZodOptional || schema instanceof z.ZodExactOptional
    ? inner(schema.unwrap())
    : schema;
}

/** An event in which every field says its own name, and the paths of all of them. */
function filled(schema: z.ZodObject, inside = ''): { event: object; paths: string[] } {
  const paths: string[] = [];
  const entries = Object.entries(schema.shape).map(([name, field]): [string, unknown] => {
    const path = `${inside}${name}`;
    const of = inner(field);
    if (of instanceof z.ZodObject) {
      const within = filled(of, `${path}.`);
      paths.push(...within.paths);
      return [name, within.event];
    }
    paths.push(path);
    if (of instanceof z.ZodRecord) return [name, { user: `is-${path}` }];
    // Who did it is said once.
    return [name, name === 'by' ? 'is-caller.name' : `is-${path}`];
  });
  return { event: Object.fromEntries<unknown>(entries), paths };
}

const kinds = writtenEventSchema.options.flatMap((schema) => {
  const { type } = schema.shape;
  return (type instanceof z.ZodEnum ? type.options : [...type.values]).map(
    (name) => [name, schema] as const,
  );
});

test.each(kinds)(
  'the page of an event %s shows everything in it that a person needs',
  (type, schema) => {
    const { event, paths } = filled(schema);
    const page = String(
      eventSummary({ ...event, type, at: '2026-11-20T08:00:00Z', occurredAt: undefined }),
    );
    const missing = paths.filter(
      (path) =>
        !LEFT_OUT.has(path) &&
        !page.includes(path === 'by' ? 'is-caller.name' : `is-${path}<`) &&
        !page.includes(`is-${path},`),
    );
    expect(missing).toEqual([]);
  },
);

test('the page of a look says in ordinary words which plan was shown, and when it began', () => {
  const plan = {
    authority: 'ZZ101',
    type: 'child-protection-plan',
    startDate: '2026-01-05',
    status: 'current',
    dateOfBirth: 'match',
  };
  const page = String(eventSummary({ type: 'lookup', at: '2026-11-20T08:00:00Z', shown: [plan] }));
  for (const text of [PLAN_TYPES['child-protection-plan'].label, '5 Jan 2026', 'in force']) {
    expect(page.toLowerCase()).toContain(text.toLowerCase());
  }
  for (const text of ['child-protection-plan', '2026-01-05']) expect(page).not.toContain(text);
});

test('the page of an event gives its time as other pages do: London time, in words', () => {
  const at = '2026-07-28T12:50:27.113Z';
  const page = eventSummary({ type: 'load', at, from: at });
  expect(String(page).match(/28 Jul 2026, 13:50/g)).toHaveLength(2);
  expect(String(page)).not.toMatch(/2026-07-28/);
});
