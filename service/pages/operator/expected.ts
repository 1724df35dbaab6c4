// One file: the list, the forms and the check of a change are the steps of one act.

import type { z } from 'zod';
import { odsCodeSchema } from '#schemas/authority.ts';
import {
  type ExpectedAuthorities,
  expectedAuthoritiesSchema,
} from '#schemas/expected-authorities.ts';
import { shortTextSchema } from '#schemas/text.ts';
import { OPERATOR } from '#schemas/wording/operator.ts';
import { EXPECTED } from '#schemas/wording/operator-councils.ts';
import { shortTimeText } from '#schemas/wording/times.ts';
import { expectedDigest } from '#store/authorities/dataset.ts';
import { coverageOf } from '../../lookup/coverage.ts';
import type { Mountable } from '../../routes/route.ts';
import { HIDDEN_NUMBER } from '../../telemetry/log.ts';
import { COUNCILS_PAGE, OPERATOR_DESK } from '../desk/desks.ts';
import { type AtDesk, deskAct, guardedDesk } from '../desk/guarded-desk.ts';
import {
  folded,
  numberError,
  reasonField,
  select,
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
  radios,
} from '../html/parts.ts';
import type { Fields } from '../session/forms.ts';
import { stateText } from './council-state.ts';
import { coverageChange } from './coverage-change.ts';
import { type OperatorDependencies, readWhy, said } from './operator.ts';

const EXPECTED_PAGE = '/operator/expected';
const CHECK_FORM = 'operator-expected-check';
const SAVE_FORM = 'operator-expected';
/** A list of 2,000 councils, as a form sends it. */
const MAX_BYTES = 1_048_576;

type Listed = ExpectedAuthorities['authorities'][number];

const digestOf = (expected: ExpectedAuthorities | undefined): string =>
  expected === undefined ? 'none' : expectedDigest(expected);

const nameHere = ({ readiness }: OperatorDependencies, { code, name }: Listed): string =>
  said(readiness.authorities.get(code)?.name ?? name);

const linkTo = (dependencies: OperatorDependencies, council: Listed): Html =>
  html`<a class="nhsuk-link" href="${COUNCILS_PAGE}/${council.code}"><bdi>${nameHere(dependencies, council)}</bdi></a> ${council.code}`;

type Shown = {
  fields?: Fields;
  errors?: readonly FieldError[];
  note?: string | undefined;
  status?: number;
  /** The code of a council that is proposed to join. */
  add?: string | undefined;
};

/** Area, kind and every council, one on a line. */
function wholeForm(
  { readiness }: OperatorDependencies,
  { hidden }: AtDesk,
  expected: ExpectedAuthorities | undefined,
  fields: Fields | undefined,
  errors: readonly FieldError[],
): Html {
  const { area, kind, authorities } = expected ?? {
    area: '',
    kind: undefined,
    authorities: [...readiness.authorities.values()],
  };
  // A name from earlier that a list cannot have is left out, so that somebody types it.
  const lines = authorities.map(
    ({ code, name }) => `${code} ${shortTextSchema.safeParse(said(name)).data ?? ''}`,
  );
  const kinds = (['all', 'pilot'] as const).map((value) => ({
    value,
    text: EXPECTED.kinds[value],
    hint: EXPECTED.kindHints[value],
  }));
  return html`<form method="post" action="${EXPECTED_PAGE}/check" novalidate>
${hidden(CHECK_FORM)}
${textField({ name: 'area', label: EXPECTED.area, hint: EXPECTED.areaHint, value: fields?.get('area') ?? said(area), errors, width: 30 })}
${radios('kind', { legend: EXPECTED.kind, options: kinds, chosen: fields?.get('kind') ?? kind, error: errors.find(({ field }) => field === 'kind')?.text })}
${textArea({ name: 'list', label: EXPECTED.list, hint: EXPECTED.listHint, value: fields?.get('list') ?? lines.join('\n'), errors, rows: 12 })}
${button(EXPECTED.check)}
</form>`;
}

/** One council that joins, and one that leaves. */
function oneForm(
  dependencies: OperatorDependencies,
  { hidden }: AtDesk,
  { authorities }: ExpectedAuthorities,
  typed: (field: string) => string | undefined,
  errors: readonly FieldError[],
): Html {
  const listed = authorities.map((each) => ({
    value: each.code,
    text: `${nameHere(dependencies, each)} ${each.code}`,
  }));
  return html`<form method="post" action="${EXPECTED_PAGE}/check" novalidate>
${hidden(CHECK_FORM)}
${textField({ name: 'add', label: EXPECTED.add, hint: EXPECTED.addHint, value: typed('add'), errors, width: 10 })}
${textField({ name: 'name', label: EXPECTED.name, hint: EXPECTED.nameHint, value: typed('name'), errors })}
${select('out', EXPECTED.out, [{ value: '', text: EXPECTED.nobody }, ...listed], { chosen: typed('out'), errors })}
${button(EXPECTED.check)}
</form>`;
}

/** The councils that the list does not have, though they are known here. */
function othersOf(
  dependencies: OperatorDependencies,
  { authorities }: ExpectedAuthorities,
): Html | false {
  const listed = new Set<string>(authorities.map(({ code }) => code));
  const others = [...dependencies.readiness.authorities.values()].filter(
    ({ code }) => !listed.has(code),
  );
  return (
    others.length > 0 &&
    html`<h2 class="nhsuk-heading-m">${EXPECTED.others}</h2>${paragraph(EXPECTED.othersThen)}
<ul class="nhsuk-list nhsuk-list--bullet">${others.map((each) => html`<li>${linkTo(dependencies, each)}</li>`)}</ul>`
  );
}

function listed(
  dependencies: OperatorDependencies,
  expected: ExpectedAuthorities,
  since: string | undefined,
): Html {
  const { readiness, limits, now = Date.now } = dependencies;
  const at = now();
  const { upToDate, coverage } = coverageOf({ ...readiness, expected }, at, limits);
  const ofHere = (code: string) => readiness.authorities.get(code);
  const silent = expected.authorities.filter(({ code }) => ofHere(code)?.dataAsOf === undefined);
  return html`${summary([
    [EXPECTED.area, html`<bdi>${said(expected.area)}</bdi>`],
    [EXPECTED.kind, EXPECTED.kinds[expected.kind]],
    [EXPECTED.upToDate, EXPECTED.upToDateOf(coverage.upToDate, coverage.expected)],
    [
      EXPECTED.silent,
      silent.length === 0
        ? EXPECTED.silentNone
        : html`${silent.map((each, i) => html`${i > 0 && html`<br>`}${linkTo(dependencies, each)}`)}`,
    ],
    [EXPECTED.since, since === undefined ? EXPECTED.sinceUnknown : shortTimeText(since)],
    [EXPECTED.digest, html`<code>${expectedDigest(expected)}</code>`],
  ])}
${table(
  EXPECTED.caption,
  EXPECTED.columns,
  expected.authorities.map((each) => [
    linkTo(dependencies, each),
    stateText(ofHere(each.code), upToDate.has(each.code), { now: at, ...limits }),
    ofHere(each.code)?.rows ?? '',
  ]),
)}
${othersOf(dependencies, expected)}`;
}

async function listPage(
  dependencies: OperatorDependencies,
  at: AtDesk,
  { fields, errors = [], note, status, add }: Shown = {},
): Promise<Response> {
  const { store, readiness } = dependencies;
  const expected = await store.expected();
  const since = expected && (await store.expectedSince(expected));
  const isWhole = fields?.has('list') ?? false;
  const whole = wholeForm(
    dependencies,
    at,
    expected,
    isWhole ? fields : undefined,
    isWhole ? errors : [],
  );
  const typed = (field: string) =>
    isWhole ? undefined : (fields?.get(field) ?? (field === 'add' ? add : undefined));
  const none = readiness.dataset?.kind === 'demo' ? EXPECTED.noneDemo : EXPECTED.noneLive;
  return at.page({
    title: EXPECTED.title,
    errors,
    note,
    ...(status !== undefined && { status }),
    content: html`${heading(EXPECTED.title)}
${paragraph(EXPECTED.lead)}
${expected === undefined ? paragraph(`${EXPECTED.none} ${none}`) : listed(dependencies, expected, since)}
<h2 class="nhsuk-heading-m" id="change">${EXPECTED.change}</h2>
${
  expected === undefined
    ? whole
    : html`${oneForm(dependencies, at, expected, typed, isWhole ? [] : errors)}
${folded(EXPECTED.whole, whole, isWhole)}`
}
<p>${OPERATOR.byCommand} <code>cp-flags authority expect --file expected.json</code></p>
<p>${link(COUNCILS_PAGE, OPERATOR.councils)}</p>`,
  });
}

type Read =
  | { kind: 'read'; proposed: ExpectedAuthorities }
  | { kind: 'wrong'; errors: FieldError[] };

const wrong = (field: string, text: string): Read => ({ kind: 'wrong', errors: [{ field, text }] });

/** A council named by what looks like an NHS number: the check of a change contains every name. */
const numberIn = ({ authorities }: ExpectedAuthorities, field: string): FieldError | undefined =>
  authorities.map(({ name }) => numberError(field, name)).find((error) => error !== undefined);

/** The form has `[number]` for what it hides. Kept as typed, it would replace that without anybody seeing it. */
function hiddenIn(
  { area, authorities }: ExpectedAuthorities,
  councils: readonly { number: number }[],
): FieldError | undefined {
  const { hidden, area: inArea, each } = EXPECTED.wrong;
  if (area.includes(HIDDEN_NUMBER)) return { field: 'area', text: inArea(hidden) };
  const line = councils[authorities.findIndex(({ name }) => name.includes(HIDDEN_NUMBER))]?.number;
  return line === undefined ? undefined : { field: 'list', text: each(line, hidden) };
}

const LINE = /^(\S+?)[\s,;]+(\S.*)$/;

/** A list as it was typed, by the rules of the command's file. */
function readWhole(fields: Fields): Read {
  const lines = (fields.get('list') ?? '')
    .split('\n')
    .map((text, i) => ({ text: text.trim(), number: i + 1 }))
    .filter(({ text }) => text !== '');
  const councils: { number: number; code: string; name: string }[] = [];
  for (const { text, number } of lines) {
    const [, code, name] = LINE.exec(text) ?? [];
    if (code === undefined || name === undefined) return wrong('list', EXPECTED.wrong.line(number));
    councils.push({ number, code: code.toUpperCase(), name });
  }
  const parsed = expectedAuthoritiesSchema.safeParse({
    area: fields.get('area') ?? '',
    kind: fields.get('kind'),
    authorities: councils.map(({ code, name }) => ({ code, name })),
  });
  if (parsed.success) {
    const named =
      hiddenIn(parsed.data, councils) ??
      numberError('area', parsed.data.area) ??
      numberIn(parsed.data, 'list');
    return named === undefined
      ? { kind: 'read', proposed: parsed.data }
      : { kind: 'wrong', errors: [named] };
  }
  const errors = new Map<string, FieldError>();
  for (const issue of parsed.error.issues) {
    const error = errorOf(issue, councils);
    if (!errors.has(error.field)) errors.set(error.field, error);
  }
  return { kind: 'wrong', errors: [...errors.values()] };
}

function errorOf(
  { path, message }: Pick<z.core.$ZodIssue, 'path' | 'message'>,
  councils: readonly { number: number }[],
): FieldError {
  const [member, place] = path;
  if (member === 'kind') return { field: 'kind', text: OPERATOR.choose };
  if (member === 'area') return { field: 'area', text: EXPECTED.wrong.area(message) };
  const line = typeof place === 'number' ? councils[place]?.number : undefined;
  return {
    field: 'list',
    text: line === undefined ? EXPECTED.wrong.list(message) : EXPECTED.wrong.each(line, message),
  };
}

/** The present list with the council that joins, and without the one that leaves. */
function readOne(
  { readiness }: OperatorDependencies,
  expected: ExpectedAuthorities,
  fields: Fields,
): Read {
  const text = (fields.get('add') ?? '').trim().toUpperCase();
  const out = fields.get('out') ?? '';
  const { authorities } = expected;
  if (text === '' && out === '') return wrong('add', EXPECTED.wrong.nothing);
  if (out !== '' && authorities.every(({ code }) => code !== out)) {
    return wrong('out', OPERATOR.choose);
  }
  const stays = authorities.filter(({ code }) => code !== out);
  if (text === '') return checked({ ...expected, authorities: stays }, 'out');
  const code = odsCodeSchema.safeParse(text);
  if (code.data === undefined) {
    return wrong('add', EXPECTED.wrong.code(code.error?.issues[0]?.message ?? ''));
  }
  if (authorities.some((each) => each.code === code.data)) {
    return wrong('add', EXPECTED.wrong.already);
  }
  const typed = (fields.get('name') ?? '').trim();
  const name = typed === '' ? readiness.authorities.get(code.data)?.name : typed;
  if (name === undefined) return wrong('name', EXPECTED.wrong.name);
  return checked({ ...expected, authorities: [...stays, { code: code.data, name }] }, 'name');
}

function checked(proposed: unknown, field: string): Read {
  const { data, error } = expectedAuthoritiesSchema.safeParse(proposed);
  if (data === undefined) return wrong(field, OPERATOR.named(error?.issues[0]?.message ?? ''));
  const named = numberError(field, data.area) ?? numberIn(data, field);
  return named === undefined
    ? { kind: 'read', proposed: data }
    : { kind: 'wrong', errors: [named] };
}

const without = (all: readonly Listed[], others: readonly Listed[]): Listed[] =>
  all.filter(({ code }) => others.every((other) => other.code !== code));

/** What a change leads to, said before it is made. */
function confirmPage(
  dependencies: OperatorDependencies,
  { page, hidden }: AtDesk,
  expected: ExpectedAuthorities | undefined,
  proposed: ExpectedAuthorities,
  fields?: Fields,
  errors: readonly FieldError[] = [],
): Response {
  const { readiness } = dependencies;
  const before = expected?.authorities ?? [];
  const after = proposed.authorities;
  const joins = without(after, before);
  const leaves = without(before, after);
  const renamed = after.filter(({ code, name }) =>
    before.some((each) => each.code === code && each.name !== name),
  );
  const list = (councils: readonly Listed[]): Html | undefined =>
    councils.length === 0
      ? undefined
      : html`${councils.map((each, i) => html`${i > 0 && html`<br>`}<bdi>${said(each.name)}</bdi> ${each.code}`)}`;
  const says = [
    ...leaves.map((each) =>
      EXPECTED.leavesWith(
        nameHere(dependencies, each),
        readiness.authorities.get(each.code)?.rows ?? 0,
      ),
    ),
    ...(proposed.kind === 'all' && leaves.length > 0
      ? [EXPECTED.allShrinks(said(proposed.area))]
      : []),
    ...joins
      .filter(({ code }) => readiness.authorities.get(code)?.dataAsOf === undefined)
      .map((each) => EXPECTED.joinsNever(nameHere(dependencies, each))),
  ];
  return page({
    title: EXPECTED.confirm,
    errors,
    content: html`${heading(EXPECTED.confirm)}
${summary([
  [EXPECTED.area, html`<bdi>${said(proposed.area)}</bdi>`],
  [EXPECTED.kind, EXPECTED.kinds[proposed.kind]],
  [EXPECTED.joins, list(joins)],
  [EXPECTED.leaves, list(leaves)],
  [EXPECTED.renamed, list(renamed)],
])}
${coverageChange(dependencies, { expected: proposed })}
${says.map((text) => html`<p class="cpf-strong"><bdi>${text}</bdi></p>`)}
<form method="post" action="${EXPECTED_PAGE}" novalidate>
${hidden(SAVE_FORM)}
<input type="hidden" name="before" value="${digestOf(expected)}">
<input type="hidden" name="proposed" value="${JSON.stringify(proposed)}">
${textField({ name: 'count', label: EXPECTED.count, hint: EXPECTED.countHint, value: fields?.get('count'), errors, width: 5, inputMode: 'numeric' })}
${reasonField(fields?.get('reason'), errors)}
${button(EXPECTED.submit)}
</form>
<p>${buttonLink(EXPECTED_PAGE, EXPECTED.cancel, true)}</p>`,
  });
}

/** `GET /operator/expected`: which councils are expected, which of them never sent anything, and a form to change the list. */
export const operatorExpected: Mountable<OperatorDependencies> = {
  operation: { method: 'GET', path: EXPECTED_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    guardedDesk(dependencies, OPERATOR_DESK, (c, at) =>
      listPage(dependencies, at, {
        note: at.done() === 'yes' ? EXPECTED.done : undefined,
        add: odsCodeSchema.safeParse(c.req.query('add')).data,
      }),
    ),
};

/** `POST /operator/expected/check`: what a change of the list would lead to. */
export const operatorExpectedCheck: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: `${EXPECTED_PAGE}/check`, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(
      dependencies,
      OPERATOR_DESK,
      { form: CHECK_FORM, maxBytes: MAX_BYTES, repeats: true },
      async (_, at, fields) => {
        const expected = await dependencies.store.expected();
        const isWhole = fields.has('list') || expected === undefined;
        const read = isWhole ? readWhole(fields) : readOne(dependencies, expected, fields);
        if (read.kind === 'wrong') return listPage(dependencies, at, { fields, ...read });
        const { proposed } = read;
        if (expected !== undefined && expectedDigest(expected) === expectedDigest(proposed)) {
          const error = { field: isWhole ? 'list' : 'add', text: EXPECTED.wrong.same };
          return listPage(dependencies, at, { fields, errors: [error] });
        }
        return confirmPage(dependencies, at, expected, proposed);
      },
    ),
};

function readProposed(text: string | undefined): ExpectedAuthorities | undefined {
  try {
    // Checked again: a form can hold what the page before never showed.
    const read = checked(JSON.parse(text ?? ''), 'list');
    return read.kind === 'read' ? read.proposed : undefined;
  } catch {
    return undefined;
  }
}

/** `POST /operator/expected`: sets the list, by the function that `cp-flags authority expect` uses. */
export const operatorExpectedSet: Mountable<OperatorDependencies> = {
  operation: { method: 'POST', path: EXPECTED_PAGE, letsIn: 'operate' },
  handler: (dependencies) =>
    deskAct(
      dependencies,
      OPERATOR_DESK,
      { form: SAVE_FORM, maxBytes: MAX_BYTES, inTurn: true },
      async (_, at, fields) => {
        const { store, log } = dependencies;
        const expected = await store.expected();
        const proposed = readProposed(fields.get('proposed'));
        const isShown = (now: typeof expected): boolean => fields.get('before') === digestOf(now);
        const overtaken = () =>
          listPage(dependencies, at, {
            errors: [{ field: 'change', text: EXPECTED.overtaken }],
            status: 409,
          });
        if (proposed === undefined || !isShown(expected)) return overtaken();
        const count = proposed.authorities.length;
        const reason = readWhy(fields.get('reason'));
        const errors = [
          ...((fields.get('count') ?? '').trim() === String(count)
            ? []
            : [{ field: 'count', text: EXPECTED.wrong.count(count) }]),
          ...(reason.kind === 'wrong' ? reason.errors : []),
        ];
        if (reason.kind === 'wrong' || errors.length > 0) {
          return confirmPage(dependencies, at, expected, proposed, fields, errors);
        }
        const isAsShown = async () => isShown(await store.expected());
        const done = await store.setExpected(proposed, at.named(reason.value), isAsShown);
        if (done === 'overtaken') return overtaken();
        log.warn('An operator has changed the list of expected authorities.');
        return redirect(`${EXPECTED_PAGE}?done=yes`);
      },
    ),
};
