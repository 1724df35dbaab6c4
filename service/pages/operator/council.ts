// One file: setting up and changing a council are the same act, from its form to its check.

import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { ANSWERED_LOCK_WAIT_MS } from '#loaders/load/lock.ts';
import { LoadFailed, MayBeDone, Overtaken } from '#loaders/load-failed.ts';
import { confirmPlans, refusedRefresh } from '#loaders/upkeep/confirm-plans.ts';
import { resetSequence } from '#loaders/upkeep/reset-sequence.ts';
import {
  type Authority,
  councilPhoneSchema,
  lastFileNumber,
  type OdsCode,
  odsCodeSchema,
} from '#schemas/authority.ts';
import { parseJson } from '#schemas/json.ts';
import { officeHoursSchema, officeHoursText } from '#schemas/office-hours.ts';
import { shortTextSchema } from '#schemas/text.ts';
import {
  type BreakerName,
  breakersSchema,
  type OwnBreakers,
  settingOf,
} from '#schemas/uploads/breakers.ts';
import { columnMappingSchema, NO_MAPPING } from '#schemas/uploads/columns.ts';
import { NUMBERS } from '#schemas/wording/council-numbers.ts';
import { DESK } from '#schemas/wording/desk.ts';
import { OPERATOR } from '#schemas/wording/operator.ts';
import { COUNCIL_SETTINGS } from '#schemas/wording/operator-councils.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import { shortTimeText, timeText } from '#schemas/wording/times.ts';
import type { AuthorityDetails } from '#store/authorities/directory.ts';
import type { IntakeState } from '#store/authorities/ledger.ts';
import type { RouteContext } from '../../http/route.ts';
import { coverageOf } from '../../lookup/coverage.ts';
import type { Mountable } from '../../routes/route.ts';
import { HIDDEN_NUMBER } from '../../telemetry/log.ts';
import { COUNCILS_PAGE, OPERATOR_DESK } from '../desk/desks.ts';
import { type AtDesk, deskAct, deskMessage, guardedDesk } from '../desk/guarded-desk.ts';
import {
  checkbox,
  folded,
  numberError,
  reasonField,
  summary,
  table,
  textArea,
  textField,
} from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import {
  button,
  buttonLink,
  type FieldError,
  heading,
  link,
  paragraph,
  phoneText,
} from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';
import { lastFileText, stateText } from './council-state.ts';
import { coverageChange } from './coverage-change.ts';
import { type OperatorDependencies, readWhy, said } from './operator.ts';

const COUNCIL_PAGE = `${COUNCILS_PAGE}/:authority`;
/** Where setting up a council begins. The router takes no fixed address beside one with a parameter. */
const SET_UP_PAGE = '/operator/set-up';
const CHECK_FORM = 'operator-council-check';
const SAVE_FORM = 'operator-council';
const NUMBERING_FORM = 'operator-numbering';
const PLANS_FORM = 'operator-plans';

const pathOf = (code: string): string => `${COUNCILS_PAGE}/${code}`;

const PLAIN = ['name', 'office', 'hours', 'emergency'] as const;
const BREAKERS = Object.keys(breakersSchema.shape) as BreakerName[];
const SETTINGS = [...BREAKERS, 'columns'] as const;
const FIELDS = [...PLAIN, ...SETTINGS] as const;
type Field = (typeof FIELDS)[number];
/** The settings of a council, as its form has them: empty if nothing is set. */
type Values = Record<Field, string>;

const isBreaker = (field: Field): field is BreakerName =>
  Object.hasOwn(breakersSchema.shape, field);

const jsonOf = (value: unknown, none: unknown): string =>
  JSON.stringify(value) === JSON.stringify(none) ? '' : JSON.stringify(value);

function valuesOf({ authority, breakers, columns }: IntakeState): Values {
  const own = Object.fromEntries(BREAKERS.map((name) => [name, String(breakers[name] ?? '')]));
  return {
    ...(own as Record<BreakerName, string>),
    name: authority?.name ?? '',
    office: authority?.officeHoursPhone ?? '',
    hours: authority?.officeHours ?? '',
    emergency: authority?.emergencyDutyTeamPhone ?? '',
    columns: jsonOf(columns, NO_MAPPING),
  };
}

/** Shows an act what its page was made from. */
const digestOf = (values: Values): string =>
  createHash('sha256').update(JSON.stringify(values)).digest('hex');

/** Characters that reorder text on a screen, or that nobody sees. */
const UNSEEN = /[\p{Cf}\p{Zl}\p{Zp}]/gu;
const escaped = (text: string): string =>
  text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** As the form has it: without anything that could be an NHS number. Sent back unchanged, the value stays. */
function typedOf(field: Field, value: string): string {
  if (field === 'name') return said(value.replaceAll(UNSEEN, ''));
  return field === 'columns' ? said(value.replaceAll(UNSEEN, escaped)) : value;
}

type ReadValue = { kind: 'read'; value: string } | { kind: 'wrong'; problem: string };
const problem = (text: string): ReadValue => ({ kind: 'wrong', problem: text });
const read = (value: string): ReadValue => ({ kind: 'read', value });

function byRule(schema: z.ZodType<string>, text: string): ReadValue {
  const { data, error } = schema.safeParse(text);
  return data === undefined ? problem(error?.issues[0]?.message ?? '') : read(data);
}

function readBreaker(name: BreakerName, text: string): ReadValue {
  if (text === '') return read('');
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text)) return problem(COUNCIL_SETTINGS.notNumber);
  const { error } = breakersSchema.shape[name].safeParse(Number(text));
  return error === undefined
    ? read(String(Number(text)))
    : problem(error.issues[0]?.message ?? COUNCIL_SETTINGS.notNumber);
}

function readColumns(text: string): ReadValue {
  if (text === '') return read('');
  const json = parseJson(text);
  if (json === undefined) return problem(COUNCIL_SETTINGS.notJson);
  const { data, error } = columnMappingSchema.safeParse(json);
  const [issue] = error?.issues ?? [];
  return data === undefined
    ? problem([...(issue?.path ?? []), issue?.message].join(' '))
    : read(jsonOf(data, NO_MAPPING));
}

function readValue(field: Field, text: string, held: string): ReadValue {
  if (text !== '' && text === typedOf(field, held)) return read(held);
  if (isBreaker(field)) return readBreaker(field, text);
  // It stands for what is hidden. If it was kept as typed, it would replace that without anybody seeing it.
  if (said(held) !== held && text.includes(HIDDEN_NUMBER)) return problem(COUNCIL_SETTINGS.hidden);
  switch (field) {
    case 'name':
      return byRule(shortTextSchema, text);
    case 'office':
      if (text !== '') return byRule(councilPhoneSchema, text);
      return held === '' ? read('') : problem(COUNCIL_SETTINGS.officeStays);
    case 'hours':
      return text === '' ? read('') : byRule(officeHoursSchema, text);
    case 'emergency':
      return byRule(councilPhoneSchema, text);
    case 'columns':
      return readColumns(text);
  }
}

type Read = { values: Values; errors: FieldError[]; changed: Field[] };

/** What was typed, by the rules of the command's options; a field that was not sent stays. */
function readValues(fields: Fields, held: Values): Read {
  const values = { ...held };
  const errors: FieldError[] = [];
  for (const field of FIELDS) {
    const text = fields.get(field);
    // This is not judged by today's rules, which an earlier value need not meet.
    if (text === undefined && held[field] !== '') continue;
    const done = readValue(field, text?.trim() ?? '', held[field]);
    if (done.kind === 'read') values[field] = done.value;
    else {
      const text = COUNCIL_SETTINGS.wrong(COUNCIL_SETTINGS.fields[field], done.problem);
      errors.push({ field, text });
    }
  }
  const named = values.name === held.name ? undefined : numberError('name', values.name);
  if (named !== undefined) errors.push(named);
  const changed = FIELDS.filter((field) => values[field] !== held[field]);
  if (errors.length === 0 && changed.length === 0) {
    errors.push({ field: 'name', text: COUNCIL_SETTINGS.nothing });
  }
  return { values, errors, changed };
}

const isPhone = (field: Field): boolean => field === 'office' || field === 'emergency';

function shown(field: Field, value: string): string | Html {
  if (isBreaker(field)) return value === '' ? COUNCIL_SETTINGS.asForAll : value;
  if (field === 'columns') {
    return value === '' ? COUNCIL_SETTINGS.ownNames : html`<bdi>${said(value)}</bdi>`;
  }
  if (value === '') return COUNCIL_SETTINGS.noneHeld;
  if (isPhone(field)) return phoneText(value);
  return field === 'hours' ? (officeHoursText(value) ?? value) : html`<bdi>${said(value)}</bdi>`;
}

/** What is different, in the form that the directory takes. */
function detailsOf(values: Values, changed: readonly Field[]): AuthorityDetails {
  const has = (field: Field): boolean => changed.includes(field);
  const asOf = new Date().toISOString();
  const own = Object.fromEntries(
    BREAKERS.flatMap((name) => (values[name] === '' ? [] : [[name, Number(values[name])]])),
  ) as OwnBreakers;
  return {
    ...(has('name') && { name: values.name }),
    ...(has('office') && { officeHoursPhone: values.office, officeHoursPhoneAsOf: asOf }),
    ...(has('hours') && { officeHours: values.hours }),
    ...(has('emergency') && {
      emergencyDutyTeamPhone: values.emergency,
      emergencyDutyTeamPhoneAsOf: asOf,
    }),
    ...(BREAKERS.some(has) && { breakers: own }),
    ...(has('columns') && {
      columns:
        values.columns === '' ? NO_MAPPING : columnMappingSchema.parse(JSON.parse(values.columns)),
    }),
  };
}

type Again = { fields?: Fields; errors?: readonly FieldError[]; note?: string; status?: number };

function changeForm({ hidden }: AtDesk, code: OdsCode, held: Values, again: Again): Html {
  const { fields, errors = [] } = again;
  const { fields: labels } = COUNCIL_SETTINGS;
  const typed = (field: Field): string => fields?.get(field) ?? typedOf(field, held[field]);
  const line = (name: Field, hint: string, width?: 10 | 20 | 30): Html =>
    textField({
      name,
      label: labels[name],
      hint,
      value: typed(name),
      errors,
      ...(width !== undefined && { width }),
      inputMode: isPhone(name) ? 'tel' : 'text',
    });
  const settings = html`${BREAKERS.map((name) => line(name, COUNCIL_SETTINGS.ownHint(settingOf(name), name.endsWith('Share') ? 'share' : 'times'), 10))}
${textArea({ name: 'columns', label: labels.columns, hint: COUNCIL_SETTINGS.columnsHint, value: typed('columns'), errors, rows: 4 })}`;
  const isWrong = errors.some(({ field }) => SETTINGS.some((name) => name === field));
  return html`<form id="change" method="post" action="${pathOf(code)}/check" novalidate>
${hidden(CHECK_FORM)}
${line('name', COUNCIL_SETTINGS.nameHint)}
${line('office', COUNCIL_SETTINGS.officeHint, 20)}
${line('hours', COUNCIL_SETTINGS.hoursHint, 30)}
${line('emergency', COUNCIL_SETTINGS.emergencyHint, 20)}
${folded(COUNCIL_SETTINGS.settings, settings, isWrong)}
${button(COUNCIL_SETTINGS.check)}
</form>`;
}

/** A new numbering, or why none can start. */
function numberingPart(
  { anchor }: OperatorDependencies,
  { hidden }: AtDesk,
  { authority, sequenceOffset }: IntakeState,
  code: OdsCode,
  { fields, errors = [] }: Again,
): Html {
  if (authority?.sequence === undefined) return paragraph(COUNCIL_SETTINGS.numberingNone);
  const { dataAsOf, sequence } = authority;
  const missing = missingOf(anchor, code);
  const last = lastFileNumber(authority);
  if (last === undefined && missing.length === 0) return paragraph(COUNCIL_SETTINGS.numberingBegun);
  const until = dataAsOf === undefined ? undefined : timeText(dataAsOf);
  return html`${paragraph(COUNCIL_SETTINGS.numberingWhen)}
${paragraph(last === undefined ? COUNCIL_SETTINGS.numberingBegun : COUNCIL_SETTINGS.numberingThen(last, until))}
${missing.length > 0 && html`<p class="cpf-strong">${COUNCIL_SETTINGS.numberingMissing(missing)}</p>`}
<form method="post" action="${pathOf(code)}/numbering" novalidate>
${hidden(NUMBERING_FORM)}
<input type="hidden" name="highest" value="${fields?.get('highest') ?? sequence}">
<input type="hidden" name="offset" value="${fields?.get('offset') ?? sequenceOffset}">
${missing.length > 0 && checkbox({ name: 'refresh', label: COUNCIL_SETTINGS.fullRefreshFollows, errors })}
${reasonField(fields?.get('reason'), errors)}
${button(COUNCIL_SETTINGS.numberingSubmit)}
</form>
<p>${OPERATOR.byCommand} <code>cp-flags authority reset-sequence ${code}</code></p>`;
}

/** The numbers of files that were cut short and can still come again. */
const missingOf = (anchor: OperatorDependencies['anchor'], code: OdsCode): number[] =>
  anchor
    .missingFiles(code)
    .filter(({ fullOnly }) => fullOnly === undefined)
    .map(({ number }) => number);

/** A difference that the council may end by saying that no plan is missing; absent if there is none. */
function plansPart(
  { anchor }: OperatorDependencies,
  { hidden }: AtDesk,
  code: OdsCode,
  { fields, errors = [] }: Again,
): Html | false {
  const refresh = refusedRefresh(anchor, code);
  if (refresh.kind === 'nothing-differs') return false;
  const title = html`<h2 class="nhsuk-heading-m" id="plans">${COUNCIL_SETTINGS.plansTitle}</h2>`;
  if (refresh.kind === 'not-come') return html`${title}${paragraph(COUNCIL_SETTINGS.plansWait)}`;
  const { number } = refresh;
  return html`${title}${paragraph(COUNCIL_SETTINGS.plansThen(number))}
<form method="post" action="${pathOf(code)}/plans" novalidate>
${hidden(PLANS_FORM)}
<input type="hidden" name="refresh" value="${fields?.get('refresh') ?? number}">
${textField({ name: 'why', label: DESK.reason, hint: `${COUNCIL_SETTINGS.plansReason} ${DESK.reasonHint}`, value: fields?.get('why'), errors })}
${button(COUNCIL_SETTINGS.plansSubmit)}
</form>
<p>${OPERATOR.byCommand} <code>cp-flags authority confirm-plans ${code} --full-refresh ${number}</code></p>`;
}

const age = (asOf: string | undefined): string =>
  asOf === undefined ? NUMBERS.givenUnknown : NUMBERS.given(timeText(asOf));

async function presentOf(dependencies: OperatorDependencies, authority: Authority): Promise<Html> {
  const { readiness, limits, now = Date.now } = dependencies;
  const at = now();
  const { upToDate } = coverageOf(readiness, at, limits);
  const { expected } = readiness;
  const isExpected = expected?.authorities.some(({ code }) => code === authority.code);
  const { officeHoursPhone, officeHours, emergencyDutyTeamPhone } = authority;
  return summary([
    [
      COUNCIL_SETTINGS.state,
      stateText(authority, upToDate.has(authority.code), { now: at, ...limits }),
    ],
    [
      COUNCIL_SETTINGS.dataAsOf,
      authority.dataAsOf === undefined ? undefined : shortTimeText(authority.dataAsOf),
    ],
    [COUNCIL_SETTINGS.lastFile, (await lastFileText(dependencies, authority)) || undefined],
    [COUNCIL_SETTINGS.plans, authority.rows],
    [
      COUNCIL_SETTINGS.fields.office,
      officeHoursPhone === undefined
        ? COUNCIL_SETTINGS.noneHeld
        : `${phoneText(officeHoursPhone)}, ${age(authority.officeHoursPhoneAsOf)}`,
    ],
    [COUNCIL_SETTINGS.fields.hours, shown('hours', officeHours ?? '')],
    [
      COUNCIL_SETTINGS.fields.emergency,
      `${phoneText(emergencyDutyTeamPhone)}, ${age(authority.emergencyDutyTeamPhoneAsOf)}`,
    ],
    [
      COUNCIL_SETTINGS.expected,
      html`${expected === undefined ? COUNCIL_SETTINGS.noList : isExpected === true ? COUNCIL_SETTINGS.isExpected : COUNCIL_SETTINGS.notExpected}.
<br>${link(`/operator/expected${isExpected === true ? '' : `?add=${authority.code}`}#change`, COUNCIL_SETTINGS.expectIt)}`,
    ],
  ]);
}

const setCommand = (code: OdsCode): Html =>
  html`<p>${OPERATOR.byCommand} <code>cp-flags authority set ${code}</code></p>`;

async function councilPage(
  dependencies: OperatorDependencies,
  at: AtDesk,
  code: OdsCode,
  again: Again & { part?: 'numbering' | 'plans' } = {},
): Promise<Response> {
  const { store, readiness } = dependencies;
  const intake = await store.intakeState(code);
  const { authority } = intake;
  const { errors = [], note, status, part } = again;
  const held = valuesOf(intake);
  const listed = readiness.expected?.authorities.find((each) => each.code === code)?.name ?? '';
  const page = { errors, note, ...(status !== undefined && { status }) };
  const ofPart = (of: typeof part): Again => (part === of ? again : {});
  if (authority === undefined) {
    const title = COUNCIL_SETTINGS.newTitle(code);
    return at.page({
      ...page,
      title,
      content: html`${heading(title)}${paragraph(COUNCIL_SETTINGS.newLead)}
${changeForm(at, code, { ...held, name: listed }, ofPart(undefined))}${setCommand(code)}`,
    });
  }
  const title = COUNCIL_SETTINGS.title(typedOf('name', authority.name), code);
  return at.page({
    ...page,
    title,
    content: html`${heading(html`<bdi>${title}</bdi>`)}
${await presentOf(dependencies, authority)}
${plansPart(dependencies, at, code, ofPart('plans'))}
<h2 class="nhsuk-heading-m">${COUNCIL_SETTINGS.change}</h2>
${changeForm(at, code, held, ofPart(undefined))}${setCommand(code)}
<h2 class="nhsuk-heading-m" id="numbering">${COUNCIL_SETTINGS.numbering}</h2>
${numberingPart(dependencies, at, intake, code, ofPart('numbering'))}
<h2 class="nhsuk-heading-m">${COUNCIL_SETTINGS.remove}</h2>
${
  authority.sequence === undefined
    ? html`${paragraph(COUNCIL_SETTINGS.removeThen)}
<p><code>cp-flags authority remove ${code} --by NAME --reason TEXT</code></p>`
    : paragraph(COUNCIL_SETTINGS.removeNot)
}
<p>${link(COUNCILS_PAGE, OPERATOR.councils)}</p>`,
  });
}

/** A change, for checking before it counts. */
function confirmPage(
  dependencies: OperatorDependencies,
  { page, hidden }: AtDesk,
  intake: IntakeState,
  code: OdsCode,
  { values, changed }: Read,
  { fields, errors = [] }: Again = {},
): Response {
  const held = valuesOf(intake);
  const { authorities, expected } = dependencies.readiness;
  const isNew = intake.authority === undefined;
  const hasPhone = changed.some(isPhone);
  const isListed = expected?.authorities.some((each) => each.code === code) === true;
  const added: Authority = {
    code,
    name: values.name,
    emergencyDutyTeamPhone: values.emergency,
    reconciled: true,
  };
  const says = [
    ...(isNew ? [COUNCIL_SETTINGS.newThen(code)] : []),
    ...(isNew && expected !== undefined
      ? [isListed ? COUNCIL_SETTINGS.newExpected : COUNCIL_SETTINGS.newNotExpected]
      : []),
    ...(changed.includes('name') ? [COUNCIL_SETTINGS.nameThen(said(values.name))] : []),
    ...(hasPhone ? [COUNCIL_SETTINGS.numbersThen] : []),
    ...(changed.some((field) => SETTINGS.some((each) => each === field))
      ? [COUNCIL_SETTINGS.settingsThen]
      : []),
  ];
  return page({
    title: COUNCIL_SETTINGS.confirm,
    errors,
    content: html`${heading(COUNCIL_SETTINGS.confirm)}
<p class="nhsuk-lede-text"><bdi>${COUNCIL_SETTINGS.title(typedOf('name', isNew ? values.name : held.name), code)}</bdi></p>
${table(
  COUNCIL_SETTINGS.changes,
  COUNCIL_SETTINGS.columns,
  changed.map((field) => [
    COUNCIL_SETTINGS.fields[field],
    shown(field, held[field]),
    html`<strong>${shown(field, values[field])}</strong>`,
  ]),
)}
${says.map((text) => paragraph(html`<bdi>${text}</bdi>`))}
${values.office === values.emergency && html`<p class="cpf-strong">${NUMBERS.same}</p>`}
${isNew && expected === undefined && coverageChange(dependencies, { authorities: new Map([...authorities, [code, added]]) })}
<form method="post" action="${pathOf(code)}" novalidate>
${hidden(SAVE_FORM)}
<input type="hidden" name="before" value="${digestOf(held)}">
${changed.map((field) => html`<input type="hidden" name="${field}" value="${values[field]}">`)}
${hasPhone && checkbox({ name: 'rang', label: NUMBERS.rang, errors })}
${reasonField(fields?.get('reason'), errors)}
${button(COUNCIL_SETTINGS.save)}
</form>
<p>${buttonLink(isNew ? COUNCILS_PAGE : pathOf(code), COUNCIL_SETTINGS.cancel, true)}</p>`,
  });
}

const codeOf = (c: RouteContext): OdsCode | undefined =>
  odsCodeSchema.safeParse(c.req.param('authority')).data;

const isDone = (text: string | undefined): text is keyof typeof COUNCIL_SETTINGS.done =>
  text !== undefined && Object.hasOwn(COUNCIL_SETTINGS.done, text);

/** `GET /operator/set-up`: asks for the code of a council, and leads to its page. */
export const operatorSetUp: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: SET_UP_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (c, { page }) => {
      const typed = c.req.query('code');
      const code = odsCodeSchema.safeParse((typed ?? '').trim().toUpperCase());
      if (code.data !== undefined) return redirect(pathOf(code.data));
      const text = COUNCIL_SETTINGS.codeWrong(code.error?.issues[0]?.message ?? '');
      const errors = typed === undefined ? [] : [{ field: 'code', text }];
      return page({
        title: COUNCIL_SETTINGS.begin,
        errors,
        content: html`${heading(COUNCIL_SETTINGS.begin)}
<form method="get" action="${SET_UP_PAGE}" novalidate>
${textField({ name: 'code', label: COUNCIL_SETTINGS.code, hint: COUNCIL_SETTINGS.codeHint, value: typed, errors, width: 10 })}
${button(COUNCIL_SETTINGS.go)}
</form>
<p>${link(COUNCILS_PAGE, OPERATOR.councils)}</p>`,
      });
    }),
};

/** `GET /operator/councils/:authority`: a council's settings and state, or a form to set it up. */
export const operatorCouncil: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: COUNCIL_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (c, at) => {
      const code = codeOf(c);
      const done = at.done();
      if (code === undefined) return at.notFound();
      return councilPage(
        dependencies,
        at,
        code,
        isDone(done) ? { note: COUNCIL_SETTINGS.done[done] } : {},
      );
    }),
};

/** `POST /operator/councils/:authority/check`: what was typed, and what it leads to. */
export const operatorCouncilCheck: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: `${COUNCIL_PAGE}/check`, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(
      dependencies,
      OPERATOR_DESK,
      { form: CHECK_FORM, repeats: true },
      async (c, at, fields) => {
        const code = codeOf(c);
        if (code === undefined) return at.notFound();
        const intake = await dependencies.store.intakeState(code);
        const typed = readValues(fields, valuesOf(intake));
        return typed.errors.length > 0
          ? councilPage(dependencies, at, code, { fields, errors: typed.errors })
          : confirmPage(dependencies, at, intake, code, typed);
      },
    ),
};

/** `POST /operator/councils/:authority`: the change, by the function that `cp-flags authority set` uses. */
export const operatorCouncilSet: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: COUNCIL_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(
      dependencies,
      OPERATOR_DESK,
      { form: SAVE_FORM, inTurn: true },
      async (c, at, fields) => {
        const { store } = dependencies;
        const code = codeOf(c);
        if (code === undefined) return at.notFound();
        const intake = await store.intakeState(code);
        const held = valuesOf(intake);
        const isShown = (now: Values): boolean => fields.get('before') === digestOf(now);
        const overtaken = () =>
          councilPage(dependencies, at, code, {
            errors: [{ field: 'change', text: COUNCIL_SETTINGS.overtaken }],
            status: 409,
          });
        if (!isShown(held)) return overtaken();
        // Checked again: a form can hold values that the page before never showed.
        const typed = readValues(fields, held);
        if (typed.errors.length > 0) {
          return councilPage(dependencies, at, code, { fields, errors: typed.errors });
        }
        const reason = readWhy(fields.get('reason'));
        const isRung = !typed.changed.some(isPhone) || fields.get('rang') === 'yes';
        if (reason.kind === 'wrong' || !isRung) {
          const errors = [
            ...(isRung ? [] : [{ field: 'rang', text: NUMBERS.rangWrong }]),
            ...(reason.kind === 'wrong' ? reason.errors : []),
          ];
          return confirmPage(dependencies, at, intake, code, typed, { fields, errors });
        }
        const done = await store.setAuthority(
          code,
          detailsOf(typed.values, typed.changed),
          at.named(reason.value),
          async () => isShown(valuesOf(await store.intakeState(code))),
        );
        if (done === 'overtaken') return overtaken();
        return redirect(`${pathOf(code)}?done=set`);
      },
    ),
};

/** `POST /operator/councils/:authority/numbering`: does what `cp-flags authority reset-sequence` does. */
export const operatorNumbering: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: `${COUNCIL_PAGE}/numbering`, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: NUMBERING_FORM }, async (c, at, fields) => {
      const { store, anchor } = dependencies;
      const code = codeOf(c);
      if (code === undefined) return at.notFound();
      const fullRefreshFollows = fields.get('refresh') === 'yes';
      const reason = readWhy(fields.get('reason'));
      const lacks = missingOf(anchor, code).length > 0 && !fullRefreshFollows;
      if (reason.kind === 'wrong' || lacks) {
        const errors = [
          ...(lacks ? [{ field: 'refresh', text: COUNCIL_SETTINGS.fullRefreshWrong }] : []),
          ...(reason.kind === 'wrong' ? reason.errors : []),
        ];
        return councilPage(dependencies, at, code, { fields, errors, part: 'numbering' });
      }
      const seen = {
        sequence: Number(fields.get('highest') ?? Number.NaN),
        sequenceOffset: Number(fields.get('offset') ?? Number.NaN),
      };
      const who = {
        ...at.named(reason.value),
        fullRefreshFollows,
        seen,
        lockWaitMs: ANSWERED_LOCK_WAIT_MS,
      };
      return doneOrNot(dependencies, at, code, 'numbering', () =>
        resetSequence(store, anchor, code, who),
      );
    }),
};

/** `POST /operator/councils/:authority/plans`: does what `cp-flags authority confirm-plans` does. */
export const operatorConfirmPlans: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: `${COUNCIL_PAGE}/plans`, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(dependencies, OPERATOR_DESK, { form: PLANS_FORM }, async (c, at, fields) => {
      const { store, anchor } = dependencies;
      const code = codeOf(c);
      if (code === undefined) return at.notFound();
      const reason = readWhy(fields.get('why'));
      if (reason.kind === 'wrong') {
        const errors = reason.errors.map(({ text }) => ({ field: 'why', text }));
        return councilPage(dependencies, at, code, { fields, errors, part: 'plans' });
      }
      const fullRefresh = Number(fields.get('refresh') ?? Number.NaN);
      const who = { ...at.named(reason.value), fullRefresh, lockWaitMs: ANSWERED_LOCK_WAIT_MS };
      return doneOrNot(dependencies, at, code, 'plans', () =>
        confirmPlans(store, anchor, code, who),
      );
    }),
};

const OVERTAKEN = {
  numbering: COUNCIL_SETTINGS.numberingOvertaken,
  plans: COUNCIL_SETTINGS.plansOvertaken,
};

/**
 * Does something that is refused as a whole, such as while a file of the council is being loaded. If Redis fails once
 * it has begun, the page says that it may have been done.
 */
async function doneOrNot(
  dependencies: OperatorDependencies,
  at: AtDesk,
  code: OdsCode,
  done: keyof typeof OVERTAKEN,
  work: () => Promise<unknown>,
): Promise<Response> {
  try {
    await work();
  } catch (error) {
    if (error instanceof Overtaken) {
      // It leads to the part of the page that has what counts now.
      const errors = [{ field: done, text: OVERTAKEN[done] }];
      return councilPage(dependencies, at, code, { errors, status: 409 });
    }
    if (error instanceof MayBeDone) {
      const message = deskMessage(DECISIONS.unsure, said(error.message), pathOf(code));
      return at.page({ ...message, status: 503 });
    }
    if (!(error instanceof LoadFailed)) throw error;
    const message = deskMessage(COUNCIL_SETTINGS.busy, said(error.message), pathOf(code));
    return at.page({ ...message, status: 409 });
  }
  return redirect(`${pathOf(code)}?done=${done}`);
}
