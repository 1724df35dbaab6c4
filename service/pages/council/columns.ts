// One file: choosing a file, choosing its columns and saving them are the steps of one act.

import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  type CsvColumn,
  examplesOf,
  type FileStart,
  planTypeNamed,
  planValues,
  proposeColumns,
  readStart,
  START_BYTES,
} from '#loaders/formats/csv/headings.ts';
import { PLAN_TYPES, planTypes } from '#schemas/plans/plan.ts';
import {
  type ColumnMapping,
  CSV_COLUMNS,
  columnMappingSchema,
  NO_MAPPING,
} from '#schemas/uploads/columns.ts';
import { UPLOAD } from '#schemas/wording/council.ts';
import { COLUMNS } from '#schemas/wording/council-columns.ts';
import { METADATA_HINTS } from '#schemas/wording/files.ts';
import type { Store } from '#store/store.ts';
import type { Mountable } from '../../routes/route.ts';
import type { LoadSettings } from '../../uploads/load-settings.ts';
import type { Preview, Previews } from '../../uploads/previews.ts';
import { type DeskDependencies, deskMessage } from '../desk/guarded-desk.ts';
import { fileField, readReason, reasonField, select, table } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { button, type FieldError, heading, paragraph } from '../html/parts.ts';
import { type Fields, readForm } from '../session/forms.ts';
import { receiveFile } from './file-form.ts';
import { type AtCouncil, councilAct, guardedCouncil } from './guarded-council.ts';
import { lastOf, ownerOf, previewedBy, readDescription, senderOf } from './upload.ts';
import { detailFields, UPLOAD_PATH } from './upload-view.ts';

type ColumnsDependencies = DeskDependencies & {
  store: Pick<Store, 'authority' | 'intakeState' | 'setAuthority'>;
  previews: Previews;
  loads: Pick<LoadSettings, 'maxBytes'>;
};

const PATH = '/council/columns';
const FILE_FORM = 'council-columns-file';
const SAVE_FORM = 'council-columns-save';
const MIB = 1_048_576;
const OPTIONAL: readonly CsvColumn[] = ['delete_date', 'local_id', 'given_name', 'family_name'];
const HEADING_AT_MOST = 100;
/** A name that says which file it is. */
const SAYS_WHICH = /^[A-Z0-9]{3,12}-[0-9]+-[0-9]{12}/;

/** Shows an act which columns its page was made from. */
const digestOf = (columns: ColumnMapping): string => hash('sha256', JSON.stringify(columns));

/** Whether the columns are still those that the form's page showed. */
const asShownIn =
  ({ store }: ColumnsDependencies, at: AtCouncil, fields: Fields) =>
  async (): Promise<boolean> =>
    fields.get('before') === digestOf((await store.intakeState(at.authority)).columns);

const hiddenField = (name: string, value: string): Html =>
  html`<input type="hidden" name="${name}" value="${value}">`;

function mappingText({ columns, planTypes: types, linesAbove }: ColumnMapping): Html {
  const entries = CSV_COLUMNS.flatMap((name) => {
    const text = columns[name];
    return text === undefined ? [] : [[COLUMNS.names[name], text ?? COLUMNS.noneSuch] as const];
  });
  const plans = Object.entries(types);
  if (entries.length === 0 && plans.length === 0) return paragraph(COLUMNS.own);
  return html`${table(
    COLUMNS.headingsCaption,
    COLUMNS.columns,
    entries.map(([name, text]) => [name, html`<bdi>${text}</bdi>`]),
  )}
${
  plans.length > 0 &&
  table(
    COLUMNS.values,
    COLUMNS.columns,
    plans.map(([text, type]) => [PLAN_TYPES[type].label, html`<bdi>${text}</bdi>`]),
  )
}
${linesAbove > 0 && paragraph(COLUMNS.above(linesAbove))}`;
}

type First = { error?: string; resetErrors?: FieldError[]; note?: string; status?: number };

async function firstPage(
  { store, forms, loads }: ColumnsDependencies,
  at: AtCouncil,
  { error, resetErrors = [], note, status = 200 }: First = {},
): Promise<Response> {
  const { columns } = await store.intakeState(at.authority);
  const before = digestOf(columns);
  const errors = error === undefined ? resetErrors : [{ field: 'file', text: error }];
  const token = forms.token({ form: FILE_FORM, owner: at.session.id });
  const isOwn = JSON.stringify(columns) === JSON.stringify(NO_MAPPING);
  return at.page({
    title: COLUMNS.title,
    errors,
    note,
    status,
    content: html`${heading(COLUMNS.title)}
${paragraph(COLUMNS.lead)}
<h2 class="nhsuk-heading-m">${COLUMNS.now}</h2>
${mappingText(columns)}
<h2 class="nhsuk-heading-m">${COLUMNS.file}</h2>
<form method="post" action="${PATH}" enctype="multipart/form-data" novalidate autocomplete="off">
${hiddenField('token', token)}${hiddenField('before', before)}
${fileField(UPLOAD.file, COLUMNS.hint(Math.floor(loads.maxBytes / MIB)), errors)}
${button(COLUMNS.look)}</form>
${
  !isOwn &&
  html`<h2 class="nhsuk-heading-m">${COLUMNS.reset}</h2>
<form method="post" action="${PATH}/reset" novalidate>${at.hidden('council-columns-reset')}${hiddenField('before', before)}
${reasonField(undefined, resetErrors)}
<button class="nhsuk-button nhsuk-button--secondary" type="submit">${COLUMNS.reset}</button></form>`
}`,
  });
}

const overtaken = (dependencies: ColumnsDependencies, at: AtCouncil): Promise<Response> =>
  firstPage(dependencies, at, { error: COLUMNS.overtaken, status: 409 });

/** A received file, its beginning, and the digest of the columns that its sender was shown. */
type Choosing = { id: string; name: string; start: FileStart; before: string };

const columnField = (column: CsvColumn): string => `column-${column}`;

/** The position chosen for a column; `undefined` for none. */
function chosenAt({ headings }: FileStart, text: string | undefined): number | undefined {
  const at = /^[0-9]{1,3}$/.test(text ?? '') ? Number(text) : undefined;
  return at !== undefined && at < headings.length ? at : undefined;
}

function withoutColumn(column: CsvColumn): string {
  if (column === 'delete_date') return COLUMNS.none;
  return OPTIONAL.includes(column) ? COLUMNS.notKept : COLUMNS.pick;
}

/** The meaning of each of the file's own plan names that the service does not know. */
const typeFields = (
  values: readonly string[],
  chosen: (field: string) => string | undefined,
  errors: readonly FieldError[],
): Html | false =>
  values.length > 0 &&
  html`<h2 class="nhsuk-heading-m">${COLUMNS.typesTitle}</h2>${paragraph(COLUMNS.typesLead)}
${values.map((value, place) => {
  const field = `type-${place}`;
  const options = planTypes.map((type) => ({ value: type, text: PLAN_TYPES[type].label }));
  return select(field, value, [{ value: '', text: COLUMNS.leaveOut }, ...options], {
    chosen: chosen(field) ?? planTypeNamed(value),
    errors,
  });
})}`;

async function choosePage(
  { forms, store }: ColumnsDependencies,
  at: AtCouncil,
  { id, name, start, before }: Choosing,
  fields?: Fields,
  errors: readonly FieldError[] = [],
): Promise<Response> {
  const last = await lastOf({ store }, at.authority);
  const proposed = proposeColumns(start);
  const chosen = (column: CsvColumn): string =>
    fields === undefined ? String(proposed[column] ?? '') : (fields.get(columnField(column)) ?? '');
  const typesAt = chosenAt(start, chosen('plan_type'));
  const values = typesAt === undefined ? [] : (planValues(start, typesAt) ?? []);
  // If the same column is chosen again, the choices for its values still count.
  const areSame = fields?.get('types-of') === String(typesAt ?? '');
  const headings = start.headings.map((text, place) => ({ value: String(place), text }));
  return at.page({
    title: COLUMNS.choose,
    errors,
    content: html`${heading(COLUMNS.choose)}${paragraph(COLUMNS.chooseLead)}
${table(
  COLUMNS.headingsTitle,
  COLUMNS.headings,
  start.headings.map((text, place) => [
    html`<bdi>${text}</bdi>`,
    html`<bdi>${examplesOf(start, place).join(', ')}</bdi>`,
  ]),
)}
<form method="post" action="${PATH}/save" novalidate autocomplete="off">
${hiddenField('token', forms.token({ form: SAVE_FORM, owner: at.session.id, once: id }))}
${hiddenField('file', id)}${hiddenField('before', before)}${hiddenField('types-of', String(typesAt ?? ''))}
${CSV_COLUMNS.map((column) => {
  const options = [{ value: '', text: withoutColumn(column) }, ...headings];
  return select(columnField(column), COLUMNS.names[column], options, {
    chosen: chosen(column),
    errors,
  });
})}
${typeFields(values, (field) => (areSame ? fields?.get(field) : undefined), errors)}
${!SAYS_WHICH.test(name) && detailFields(last, Object.fromEntries(fields ?? []), errors)}
${reasonField(fields?.get('reason'), errors)}
${button(COLUMNS.save)}</form>`,
  });
}

type Columns = Partial<Record<CsvColumn, string | null>>;

/** The heading chosen for each column; faults in the choice are added to `errors`. */
function readColumns(start: FileStart, fields: Fields, errors: FieldError[]): Columns {
  const columns: Columns = {};
  const taken = new Set<number>();
  for (const column of CSV_COLUMNS) {
    const [field, name] = [columnField(column), COLUMNS.names[column]];
    const wrong = (text: string): void => void errors.push({ field, text });
    const at = chosenAt(start, fields.get(field));
    if (at === undefined) {
      if (column === 'delete_date') columns[column] = null;
      else if (!OPTIONAL.includes(column)) wrong(COLUMNS.wrong.missing(name));
      continue;
    }
    const text = start.headings[at] ?? '';
    const alike = start.headings.filter((other) => other.toLowerCase() === text.toLowerCase());
    if (taken.has(at)) wrong(COLUMNS.wrong.twice(name));
    else if (alike.length > 1) wrong(COLUMNS.wrong.repeated(name));
    else if (text.length > HEADING_AT_MOST) wrong(COLUMNS.wrong.tooLong(name));
    taken.add(at);
    columns[column] = text;
  }
  return columns;
}

type ReadChoice =
  | ({ kind: 'read'; columns: ColumnMapping; reason: string } & Pick<Preview, 'metadata' | 'typed'>)
  | { kind: 'wrong'; errors: FieldError[] };

function readChoice({ start, name }: Choosing, fields: Fields): ReadChoice {
  const errors: FieldError[] = [];
  const columns = readColumns(start, fields, errors);
  const typesField = columnField('plan_type');
  const typesAt = chosenAt(start, fields.get(typesField));
  const values = typesAt === undefined ? [] : planValues(start, typesAt);
  if (values === undefined) errors.push({ field: typesField, text: COLUMNS.wrong.values });
  else if (values.length > 0 && fields.get('types-of') !== String(typesAt)) {
    errors.push({ field: 'type-0', text: COLUMNS.again });
  }
  const types = (values ?? []).flatMap((value, place) => {
    const type = planTypes.find((each) => each === fields.get(`type-${place}`));
    return type === undefined ? [] : [[value, type] as const];
  });
  const described = readDescription(fields);
  const { typed } = described;
  if (described.kind === 'wrong') errors.push(...described.errors);
  // Checked before anything is saved: otherwise the file itself would be refused, and deleted.
  for (const field of SAYS_WHICH.test(name) ? [] : (['sequence', 'createdAt'] as const)) {
    if (typed[field] === undefined) errors.push({ field, text: METADATA_HINTS[field]('page') });
  }
  const reason = readReason(fields.get('reason'));
  if (reason.kind === 'wrong') errors.push(reason.error);
  const { linesAbove } = start;
  const mapping = columnMappingSchema.safeParse({
    columns,
    planTypes: Object.fromEntries(types),
    linesAbove,
  });
  if (!mapping.success && errors.length === 0) {
    errors.push({ field: columnField('nhs_number'), text: COLUMNS.wrong.mapping });
  }
  if (
    !mapping.success ||
    described.kind === 'wrong' ||
    reason.kind === 'wrong' ||
    errors.length > 0
  ) {
    return { kind: 'wrong', errors };
  }
  const { metadata } = described;
  return { kind: 'read', columns: mapping.data, metadata, typed, reason: reason.reason };
}

/** `GET /council/columns`: how the council's CSVs are read, and a form to choose one. */
const councilColumns: Mountable<ColumnsDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, (_, at) =>
      firstPage(dependencies, at, at.done('changed') === 'yes' ? { note: COLUMNS.done } : {}),
    ),
};

/** `POST /council/columns`: takes a file and shows its headings. It changes nothing. */
const councilColumnsFile: Mountable<ColumnsDependencies> = {
  operation: { method: 'POST', path: PATH, letsIn: 'authority' },
  handler(dependencies) {
    const { previews, loads } = dependencies;
    const mib = Math.floor(loads.maxBytes / MIB);
    return guardedCouncil(dependencies, async (c, at) => {
      const read = await receiveFile(dependencies, c.env, at, FILE_FORM);
      if (read.kind === 'refused') return { code: read.code };
      const refuse = (error: string, status = 400) =>
        firstPage(dependencies, at, { error, status });
      if (read.kind === 'too-large') return refuse(UPLOAD.tooLarge(mib), 413);
      if (read.kind === 'cut-short') return refuse(UPLOAD.notRead);
      const { taken, fields } = read;
      if (taken === undefined) return refuse(UPLOAD.choose);
      if (taken.kind === 'busy') return refuse(UPLOAD.busy, 503);
      if (taken.kind === 'too-large') return refuse(UPLOAD.tooLarge(mib), 413);
      const { id, filename: name } = taken;
      const found = await previews.start(id, START_BYTES);
      const start = found && readStart(found.start);
      // Its sender signed out as soon as it had arrived.
      if (start === undefined) return { code: 'token-expired' };
      if (start.kind === 'read') {
        const before = fields.get('before') ?? '';
        return choosePage(dependencies, at, { id, name, start: start.start, before });
      }
      await previews.discard(id);
      return refuse(taken.sizeBytes === 0 ? UPLOAD.empty : COLUMNS.unread[start.kind]);
    });
  },
};

/** `POST /council/columns/save`: saves the choices, and starts the preview. */
const councilColumnsSave: Mountable<ColumnsDependencies> = {
  operation: { method: 'POST', path: `${PATH}/save`, letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (c, at) => {
      const { store, previews } = dependencies;
      const fields = await readForm(c.env);
      if (typeof fields === 'string') return { code: fields };
      const id = fields.get('file') ?? '';
      // The token shows that this session sent the file: nobody else can name it.
      const code = at.refusalOf(fields, { form: SAVE_FORM, once: id });
      if (code !== undefined) return { code };
      const preview = await previews.unsent(id, senderOf(at));
      // Sent twice, it acts once: the file is already on its way.
      if (preview === undefined && (await previews.find(id, ownerOf(at))) !== undefined) {
        return redirect(`${UPLOAD_PATH}/${id}`);
      }
      const found = preview && (await previews.start(id, START_BYTES));
      const start = found && readStart(found.start);
      if (preview === undefined || start?.kind !== 'read') {
        return at.page({ ...deskMessage(COLUMNS.gone, COLUMNS.goneThen, PATH), status: 404 });
      }
      const before = fields.get('before') ?? '';
      const choosing = { id, name: preview.name, start: start.start, before };
      const choice = readChoice(choosing, fields);
      if (choice.kind === 'wrong') {
        return choosePage(dependencies, at, choosing, fields, choice.errors);
      }
      const { columns, metadata, typed, reason } = choice;
      const described = { metadata, typed };
      const isBegun = await previews.check(id, preview, described, previewedBy(at), async () => {
        const held = await store.intakeState(at.authority);
        if (isDeepStrictEqual(held.columns, columns)) return true;
        const isAsShown = asShownIn(dependencies, at, fields);
        const named = at.named(reason);
        const done = await store.setAuthority(at.authority, { columns }, named, isAsShown);
        return done !== 'overtaken';
      });
      if (isBegun) return redirect(`${UPLOAD_PATH}/${id}`);
      await previews.discard(id);
      return overtaken(dependencies, at);
    }),
};

/** `POST /council/columns/reset`: files are read by our own names again. */
const councilColumnsReset: Mountable<ColumnsDependencies> = {
  operation: { method: 'POST', path: `${PATH}/reset`, letsIn: 'authority' },
  handler: (dependencies) =>
    councilAct(dependencies, { form: 'council-columns-reset' }, async (_, at, fields) => {
      const reason = readReason(fields.get('reason'));
      if (reason.kind === 'wrong') {
        return firstPage(dependencies, at, { resetErrors: [reason.error], status: 400 });
      }
      const done = await dependencies.store.setAuthority(
        at.authority,
        { columns: NO_MAPPING },
        at.named(reason.reason),
        asShownIn(dependencies, at, fields),
      );
      return done === 'overtaken' ? overtaken(dependencies, at) : redirect(`${PATH}?changed=yes`);
    }),
};

/** The pages on which a council says what its case system calls its columns. */
export const COLUMNS_PAGES = [
  councilColumns,
  councilColumnsFile,
  councilColumnsSave,
  councilColumnsReset,
] as const;
