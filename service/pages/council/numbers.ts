import type { z } from 'zod';
import { type Authority, councilPhoneSchema } from '#schemas/authority.ts';
import { officeHoursSchema, officeHoursText } from '#schemas/office-hours.ts';
import { NUMBERS } from '#schemas/wording/council-numbers.ts';
import { timeText } from '#schemas/wording/times.ts';
import type { AuthorityDetails } from '#store/authorities/directory.ts';
import type { Store } from '#store/store.ts';
import type { Mountable } from '../../routes/route.ts';
import type { DeskDependencies } from '../desk/guarded-desk.ts';
import { checkbox, readReason, reasonField, summary, table, textField } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import {
  button,
  buttonLink,
  type FieldError,
  heading,
  paragraph,
  phoneText,
} from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';
import { type AtCouncil, councilAct, guardedCouncil } from './guarded-council.ts';

type NumbersDependencies = DeskDependencies & {
  store: Pick<Store, 'authority' | 'setAuthority'>;
};

const PATH = '/council/numbers';
const NAMES = ['office', 'hours', 'emergency'] as const;
type Name = (typeof NAMES)[number];
type Numbers = Record<Name, string>;

const numbersOf = ({
  officeHoursPhone,
  officeHours,
  emergencyDutyTeamPhone,
}: Authority): Numbers => ({
  office: officeHoursPhone ?? '',
  hours: officeHours ?? '',
  emergency: emergencyDutyTeamPhone,
});

const SCHEMAS: Record<Name, z.ZodType<string>> = {
  office: councilPhoneSchema,
  hours: officeHoursSchema,
  emergency: councilPhoneSchema,
};

type Read =
  | { kind: 'read'; numbers: Numbers; reason: string }
  | { kind: 'wrong'; errors: FieldError[] };

/** The typed text over what is held: an empty number keeps the held one, empty hours mean none. */
function readNumbers(fields: Fields, held: Numbers): Read {
  const errors: FieldError[] = [];
  const numbers = { ...held };
  for (const name of NAMES) {
    const text = (fields.get(name) ?? '').trim();
    if (text === '') {
      if (name === 'hours') numbers.hours = '';
      continue;
    }
    const { data, error } = SCHEMAS[name].safeParse(text);
    if (data !== undefined) numbers[name] = data;
    else {
      const problem = error?.issues[0]?.message ?? '';
      errors.push({ field: name, text: NUMBERS.wrong(NUMBERS.fields[name], problem) });
    }
  }
  const isSame = NAMES.every((name) => numbers[name] === held[name]);
  if (errors.length === 0 && isSame) errors.push({ field: 'office', text: NUMBERS.nothing });
  const reason = readReason(fields.get('reason'));
  if (reason.kind === 'wrong') errors.push(reason.error);
  return reason.kind === 'wrong' || errors.length > 0
    ? { kind: 'wrong', errors }
    : { kind: 'read', numbers, reason: reason.reason };
}

const shown = (name: Name, value: string): string =>
  value === ''
    ? NUMBERS.notGiven
    : name === 'hours'
      ? (officeHoursText(value) ?? value)
      : phoneText(value);

const age = (asOf: string | undefined): string =>
  asOf === undefined ? NUMBERS.givenUnknown : NUMBERS.given(timeText(asOf));

type Again = { fields?: Fields; errors?: readonly FieldError[]; note?: string; status?: number };

function numbersPage(
  at: AtCouncil,
  authority: Authority,
  { fields, errors = [], note, status }: Again = {},
): Response {
  const held = numbersOf(authority);
  const { officeHoursPhoneAsOf, emergencyDutyTeamPhoneAsOf } = authority;
  const field = (name: Name, label: string, hint: string): Html =>
    textField({
      name,
      label,
      hint,
      errors,
      width: 20,
      inputMode: name === 'hours' ? 'text' : 'tel',
      value: fields?.get(name) ?? (name === 'hours' ? held.hours : ''),
    });
  return at.page({
    title: NUMBERS.title,
    errors,
    note,
    ...(status !== undefined && { status }),
    content: html`${heading(NUMBERS.title)}
${paragraph(NUMBERS.lead)}
<h2 class="nhsuk-heading-m">${NUMBERS.now}</h2>
${summary([
  [
    NUMBERS.office,
    held.office === ''
      ? NUMBERS.notGiven
      : `${shown('office', held.office)}, ${age(officeHoursPhoneAsOf)}`,
  ],
  [NUMBERS.hours, shown('hours', held.hours)],
  [NUMBERS.emergency, `${shown('emergency', held.emergency)}, ${age(emergencyDutyTeamPhoneAsOf)}`],
])}
${paragraph(NUMBERS.files)}
<h2 class="nhsuk-heading-m" id="change">${NUMBERS.change}</h2>
<form method="post" action="${PATH}/check" novalidate>${at.hidden('council-numbers-check')}
${field('office', NUMBERS.office, NUMBERS.officeHint)}
${field('hours', NUMBERS.hours, NUMBERS.hoursHint)}
${field('emergency', NUMBERS.emergency, NUMBERS.emergencyHint)}
${reasonField(fields?.get('reason'), errors)}
${button(NUMBERS.check)}</form>`,
  });
}

/** The change for checking, bound to the values that it was made from. */
function confirmPage(
  at: AtCouncil,
  held: Numbers,
  numbers: Numbers,
  reason: string,
  errors: readonly FieldError[] = [],
): Response {
  const kept = (name: string, value: string): Html =>
    html`<input type="hidden" name="${name}" value="${value}">`;
  const becomes = (name: Name): string | Html => {
    if (numbers[name] === held[name]) return NUMBERS.unchanged;
    const text = shown(name, numbers[name]);
    return name === 'hours' || numbers[name] === ''
      ? html`<strong>${text}</strong>`
      : html`<a class="nhsuk-link" href="tel:${numbers[name]}"><strong>${text}</strong></a>`;
  };
  return at.page({
    title: NUMBERS.confirm,
    errors,
    content: html`${heading(NUMBERS.confirm)}${paragraph(NUMBERS.confirmLead)}
${table(
  NUMBERS.changes,
  NUMBERS.columns,
  NAMES.map((name) => [NUMBERS.fields[name], shown(name, held[name]), becomes(name)]),
)}
${numbers.office === numbers.emergency && html`<p class="cpf-strong">${NUMBERS.same}</p>`}
<form method="post" action="${PATH}" novalidate>${at.hidden('council-numbers')}
${NAMES.map((name) => [kept(name, numbers[name]), kept(`${name}-before`, held[name])])}
${kept('reason', reason)}
${checkbox({ name: 'rang', label: NUMBERS.rang, errors })}
${button(NUMBERS.save)}</form>
<p>${buttonLink(PATH, NUMBERS.cancel, true)}</p>`,
  });
}

/** `GET /council/numbers`: which numbers clinicians ring, how old they are, and a form to change them. */
export const councilNumbers: Mountable<NumbersDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn: 'authority' },
  handler: ({ store, ...dependencies }) =>
    guardedCouncil(dependencies, async (_, at) => {
      const authority = await store.authority(at.authority);
      if (authority === undefined) return at.notFound();
      const isDone = at.done('changed') === 'yes';
      return numbersPage(at, authority, isDone ? { note: NUMBERS.done } : {});
    }),
};

/** `POST /council/numbers/check`: what was typed, shown before it counts. */
export const councilNumbersCheck: Mountable<NumbersDependencies> = {
  operation: { method: 'POST', path: `${PATH}/check`, letsIn: 'authority' },
  handler: ({ store, ...dependencies }) =>
    councilAct(
      dependencies,
      { form: 'council-numbers-check', repeats: true },
      async (_, at, fields) => {
        const authority = await store.authority(at.authority);
        if (authority === undefined) return at.notFound();
        const held = numbersOf(authority);
        const read = readNumbers(fields, held);
        return read.kind === 'wrong'
          ? numbersPage(at, authority, { fields, errors: read.errors, status: 400 })
          : confirmPage(at, held, read.numbers, read.reason);
      },
    ),
};

/** `POST /council/numbers`: the change, by the function that `cp-flags authority set` uses. */
export const councilNumbersSet: Mountable<NumbersDependencies> = {
  operation: { method: 'POST', path: PATH, letsIn: 'authority' },
  handler: ({ store, ...dependencies }) =>
    councilAct(dependencies, { form: 'council-numbers' }, async (_, at, fields) => {
      const authority = await store.authority(at.authority);
      if (authority === undefined) return at.notFound();
      const held = numbersOf(authority);
      const isShown = (now: Numbers): boolean =>
        NAMES.every((name) => (fields.get(`${name}-before`) ?? '') === now[name]);
      const overtaken = (now: typeof authority) =>
        numbersPage(at, now, {
          errors: [{ field: 'change', text: NUMBERS.overtaken }],
          status: 409,
        });
      if (!isShown(held)) return overtaken(authority);
      // Checked again: a form can hold values that the previous page never showed.
      const read = readNumbers(fields, held);
      if (read.kind === 'wrong') {
        return numbersPage(at, authority, { fields, errors: read.errors, status: 400 });
      }
      const { numbers, reason } = read;
      if (fields.get('rang') !== 'yes') {
        const error = { field: 'rang', text: NUMBERS.rangWrong };
        return confirmPage(at, held, numbers, reason, [error]);
      }
      let now: typeof authority | undefined;
      const isAsShown = async (): Promise<boolean> => {
        now = await store.authority(at.authority);
        return now !== undefined && isShown(numbersOf(now));
      };
      const change = changed(held, numbers);
      const done = await store.setAuthority(at.authority, change, at.named(reason), isAsShown);
      if (done === 'overtaken') return now === undefined ? at.notFound() : overtaken(now);
      return redirect(`${PATH}?changed=yes`);
    }),
};

/** What differs, as the directory takes it. */
function changed(held: Numbers, numbers: Numbers): AuthorityDetails {
  const asOf = new Date().toISOString();
  return {
    ...(numbers.office !== held.office && {
      officeHoursPhone: numbers.office,
      officeHoursPhoneAsOf: asOf,
    }),
    ...(numbers.hours !== held.hours && { officeHours: numbers.hours }),
    ...(numbers.emergency !== held.emergency && {
      emergencyDutyTeamPhone: numbers.emergency,
      emergencyDutyTeamPhoneAsOf: asOf,
    }),
  };
}
