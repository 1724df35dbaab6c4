import { expect, test } from 'vitest';
import { z } from 'zod';
import { writtenEventSchema } from '#schemas/audit/audit-event.ts';
import { ERRORS } from '#schemas/errors.ts';
import { CARE_SETTINGS } from '#schemas/people/care-setting.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { OFFICER, OFFICER_CASES, OFFICER_EVENT } from '#schemas/wording/officer.ts';
import { eventSummary } from '#service/pages/officer/event-summary.ts';
import { chartOf } from '#service/pages/officer/reports.ts';
import { resultTable } from '#service/pages/officer/results.ts';

/**
 * What the page of an event leaves out: technical values, and those that mean nothing to a person or are shown in
 * another way.
 */
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

/** Somebody in a service that knows one council. */
const OFFICER_THERE = {
  councilName: (code: string): string => (code === 'ZZ101' ? `Northmoor Council (${code})` : code),
};

function inner(schema: unknown): unknown {
  if (schema instanceof z.ZodPipe) return inner(schema.in);
  return schema instanceof z.ZodOptional || schema instanceof z.ZodExactOptional
    ? inner(schema.unwrap())
    : schema;
}

/** An event with its own name in every field, and the paths of all its fields. */
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
    // Who did it is shown only once.
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
      eventSummary(OFFICER_THERE, {
        ...event,
        type,
        at: '2026-11-20T08:00:00Z',
        occurredAt: undefined,
      }),
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

test('the page of a look says in ordinary words which plan was shown and when it began', () => {
  const plan = {
    authority: 'ZZ101',
    type: 'child-protection-plan',
    startDate: '2026-01-05',
    status: 'current',
    dateOfBirth: 'match',
  };
  const page = String(
    eventSummary(OFFICER_THERE, { type: 'lookup', at: '2026-11-20T08:00:00Z', shown: [plan] }),
  );
  const NAMES = [PLAN_TYPES['child-protection-plan'].label, '5 Jan 2026', 'in force'];
  for (const text of [...NAMES, 'Northmoor Council (ZZ101)']) {
    expect(page.toLowerCase()).toContain(text.toLowerCase());
  }
  for (const text of ['child-protection-plan', '2026-01-05']) expect(page).not.toContain(text);
});

test('the page of an event gives its time as other pages do, as London time in words', () => {
  const at = '2026-07-28T12:50:27.113Z';
  const page = eventSummary(OFFICER_THERE, { type: 'load', at, from: at });
  expect(String(page).match(/28 Jul 2026, 13:50/g)).toHaveLength(2);
  expect(String(page)).not.toMatch(/2026-07-28/);
});

const caller = { user: 'nurse-1', organisation: { name: 'Northgate General Hospital' } };
const at = '2026-11-24T03:02:11.000Z';

test.each([
  [{ type: 'could-not-check', cause: 'coverage' }, OFFICER.causes.coverage],
  [{ type: 'could-not-check', cause: 'barred' }, OFFICER.causes.barred],
  [{ type: 'refusal', code: 'invalid-nhs-number' }, ERRORS['invalid-nhs-number'].title],
  [{ type: 'access-case', step: 'propose-breach' }, OFFICER_CASES.steps['propose-breach']],
  [{ type: 'lookup', setting: 'emergency-department' }, OFFICER.settings['emergency-department']],
  [{ type: 'audit-search', view: 'organisation' }, OFFICER_EVENT.views.organisation],
])('%o is shown in words, without its code', (fields, words) => {
  const page = String(eventSummary(OFFICER_THERE, { at, caller, ...fields }));
  expect(page).toContain(words);
  for (const code of Object.values(fields).slice(1)) expect(page).not.toContain(`>${code}<`);
});

test('every setting of unscheduled care has a name, and so has scheduled care', () => {
  const unscheduled = Object.entries(CARE_SETTINGS).flatMap(([name, of]) =>
    of.unscheduled ? [name] : [],
  );
  expect(Object.keys(OFFICER.settings).toSorted()).toEqual(
    [...unscheduled, 'scheduled'].toSorted(),
  );
});

test('a council is named beside its code, in results, in what was searched for and in an event', () => {
  const plans = 'child-protection-plan of ZZ101 from 2026-01-05 (current)';
  const columns = ['plans shown', 'criteria', 'organisation'];
  const rows = [
    [plans, 'authority ZZ101', 'ZZH01'],
    [plans.replace('ZZ101', 'ZZ102'), 'type: load', 'ZZ101'],
  ];
  const table = String(resultTable(OFFICER_THERE, 'x', columns, rows));
  expect(table.match(/Northmoor Council \(ZZ101\)/g)).toHaveLength(3);
  for (const code of ['ZZ102', 'ZZH01']) expect(table).toContain(code);
  const detail = { authority: 'ZZ101', reason: 'new case system' };
  const event = { type: 'sequence-reset', at, detail };
  expect(String(eventSummary(OFFICER_THERE, event))).toContain('Northmoor Council (ZZ101)');
  const loaded = { type: 'load', at, authority: 'ZZ101' };
  expect(String(eventSummary(OFFICER_THERE, loaded))).toContain('Northmoor Council (ZZ101)');
});

test('a line of a report has words instead of codes wherever there are any', () => {
  const columns = ['time', 'what', 'setting', 'refused because', 'alert above'];
  const rows = [
    ['could not check: coverage', 'ambulance', '', 8],
    ['refused: invalid-nhs-number', 'scheduled', 'request-id-invalid', 8],
    ['attendance: left before being seen', '', '', 8],
    ['audit searched', '', '', 8],
    ['audit report: child-draft', '', '', 8],
  ].map((row) => [at, ...row]);
  const page = String(resultTable(OFFICER_THERE, 'x', columns, rows));
  for (const words of [
    `Could not check: ${OFFICER.causes.coverage}`,
    `Request refused: ${ERRORS['invalid-nhs-number'].title}`,
    'What came of a look: left before being seen',
    'Search of the audit',
    `Report: ${OFFICER.cells.reports['child-draft']}`,
    OFFICER.settings.ambulance,
    OFFICER.settings.scheduled,
    ERRORS['request-id-invalid'].title,
  ]) {
    expect(page).toContain(words);
  }
  expect(page).not.toMatch(/Alert above|>[^<]*(?:coverage|invalid-nhs-number|child-draft)</);
});

test('a chart of alerts, which are listed by time, shows the highest figures and says so', () => {
  const counts = [9, 8, 30, 9, 9, 9, 9, 9, 9, 9, 21];
  const rows = counts.map((count, i) => [at, `u${i}`, count]);
  const chart = String(
    chartOf('alerts', { title: 'Alerts', notes: [], columns: ['time', 'user', 'count'], rows }),
  );
  const figures = [...chart.matchAll(/<td>(u[0-9]+)<\/td><td>([0-9]+)<\/td>/g)];
  expect(figures.map(([, , count]) => Number(count))).toEqual(
    counts.toSorted((a, b) => b - a).slice(0, 10),
  );
  expect(chart).toContain('the highest figures on this page');
});
