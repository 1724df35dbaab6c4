import { Readable } from 'node:stream';
import { printedNhsNumber } from '#loaders/answers/notice.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { formatReconciliation } from '#loaders/reconcile/reconciliation-text.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import {
  ADVICE,
  type Advice,
  adviceOf,
  type ReconciledRow,
  type Reconciliation,
} from '#schemas/uploads/reconciliation.ts';
import { COUNCIL, OUTCOME, RECONCILE, UPLOAD } from '#schemas/wording/council.ts';
import type { Store } from '#store/store.ts';
import type { RouteContext } from '../../http/route.ts';
import type { Mountable } from '../../routes/route.ts';
import { errorFields } from '../../telemetry/log.ts';
import type { Comparisons } from '../../uploads/comparisons.ts';
import { mediaType } from '../../uploads/format.ts';
import { type ComparingDependencies, compareExport } from '../../uploads/reconcile.ts';
import { createSharedPlaces } from '../../uploads/shared-places.ts';
import { download } from '../desk/download.ts';
import { type ChosenFile, readFileForm } from '../desk/file-form.ts';
import { type DeskDependencies, deskMessage } from '../desk/guarded-desk.ts';
import { fileField, pager, table } from '../desk/parts.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { button, buttonLink, type FieldError, heading, paragraph } from '../html/parts.ts';

import { type AtCouncil, admittedAs, guardedCouncil } from './guarded-council.ts';
import { findingCells, pageOf } from './outcome.ts';

type CouncilReconcileDependencies = DeskDependencies &
  ComparingDependencies & {
    store: Pick<Store, 'authority'>;
    comparisons: Comparisons;
  };

export const RECONCILE_PATH = '/council/reconcile';
const FORM = 'council-reconcile';
const MIB = 1_048_576;
const ON_A_PAGE = 50;
/** Each reads the whole store, with an authority's rows in memory; one at a time for each authority. */
const AT_ONCE = 2;
const letsIn = 'authority';
const ownerOf = ({ authority, caller }: AtCouncil) => ({ authority, userKey: caller.userKey });

/** Content whose reader may stop early; the rest can then still be read and dropped. */
async function* asItComes(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const pieces = content[Symbol.asyncIterator]();
  for (let step = await pieces.next(); step.done !== true; step = await pieces.next()) {
    yield step.value;
  }
}

function createForm({ forms, loads }: CouncilReconcileDependencies) {
  return (at: AtCouncil, status = 200, errors: readonly FieldError[] = []): Response =>
    at.page({
      title: RECONCILE.title,
      errors,
      status,
      content: html`${errors.length === 0 ? heading(RECONCILE.title) : html`<h1 class="nhsuk-heading-xl nhsuk-u-margin-bottom-4">${RECONCILE.title}</h1>`}
${paragraph(RECONCILE.lead)}
${paragraph(RECONCILE.recorded)}
<form method="post" action="${RECONCILE_PATH}" enctype="multipart/form-data" novalidate autocomplete="off">
<input type="hidden" name="token" value="${forms.token({ form: FORM, owner: at.session.id })}">
${fileField(UPLOAD.file, UPLOAD.fileHint(Math.floor(loads.maxBytes / MIB)), errors)}
${button(RECONCILE.submit)}
</form>`,
    });
}

/** `GET /council/reconcile`: the form for choosing an export of the case system. */
const councilReconcileForm: Mountable<CouncilReconcileDependencies> = {
  operation: { method: 'GET', path: RECONCILE_PATH, letsIn },
  handler(dependencies) {
    const form = createForm(dependencies);
    return guardedCouncil(dependencies, (_, at) => form(at));
  },
};

/** `POST /council/reconcile`: compares an export, and keeps the differences for a while, but not the export. */
const councilReconcile: Mountable<CouncilReconcileDependencies> = {
  operation: { method: 'POST', path: RECONCILE_PATH, letsIn },
  handler(dependencies) {
    const { store, readiness, loads, comparisons, log } = dependencies;
    const form = createForm(dependencies);
    const places = createSharedPlaces({ inAll: AT_ONCE, ofOne: 1 });

    /** The differences, or a sentence for the field. */
    async function compare(
      at: AtCouncil,
      { content, filename }: ChosenFile,
    ): Promise<Reconciliation | string> {
      const authority = await store.authority(at.authority);
      // A store not known to be whole would make an authority repair what is not broken.
      if (!readiness.open || authority === undefined) return UPLOAD.busy;
      const ended = places.take(at.authority);
      if (ended === undefined) return UPLOAD.busy;
      const stream = Readable.from(asItComes(content), { objectMode: false });
      try {
        return await compareExport(
          dependencies,
          admittedAs(at),
          authority,
          { stream, name: filename },
          'page',
        );
      } catch (error) {
        if (!(error instanceof LoadFailed)) throw error;
        log.error('An export could not be compared.', errorFields(error));
        return UPLOAD.failedThen;
      } finally {
        ended();
        stream.destroy();
      }
    }

    return guardedCouncil(dependencies, async (c, at) => {
      const read = await readFileForm(c.env, {
        maxBytes: loads.maxBytes,
        refusalOf: (fields) => at.refusalOf(fields, { form: FORM }),
        take: (file) => compare(at, file),
      });
      const wrong = (text: string, status = 400) => form(at, status, [{ field: 'file', text }]);
      if (read.kind === 'refused') return { code: read.code };
      if (read.kind === 'too-large') {
        return wrong(UPLOAD.tooLarge(Math.floor(loads.maxBytes / MIB)), 413);
      }
      if (read.kind === 'cut-short') return wrong(UPLOAD.notRead);
      const { taken } = read;
      if (taken === undefined) return wrong(UPLOAD.choose);
      if (typeof taken === 'string') return wrong(taken, 503);
      const id = await comparisons.keep(ownerOf(at), taken);
      return redirect(`${RECONCILE_PATH}/${id}`);
    });
  },
};

const sideOf = ({ differences = [] }: ReconciledRow, side: 'here' | 'there'): Html =>
  html`${differences.map(({ field, [side]: value }) => {
    const text = value === '' ? '–' : field === 'localId' ? value : RECONCILE.dateOf(value);
    return html`${RECONCILE.fields[field]}: <bdi>${text}</bdi><br>`;
  })}`;

type Column = keyof typeof RECONCILE.columns;
const CELLS: Record<Column, (row: ReconciledRow) => string | Html> = {
  number: ({ nhsNumber }) => html`<span class="cpf-one-line">${printedNhsNumber(nhsNumber)}</span>`,
  localId: ({ localId }) => html`<bdi>${localId}</bdi>`,
  plan: ({ type }) => PLAN_TYPES[type].label,
  start: ({ startDate }) => RECONCILE.dateOf(startDate),
  here: (row) => sideOf(row, 'here'),
  there: (row) => sideOf(row, 'there'),
  place: ({ place = '' }) => place,
};

const KNOWN: readonly Column[] = ['number', 'localId', 'plan', 'start'];
const BOTH: readonly Column[] = [...KNOWN, 'here', 'there', 'place'];
/** What there is to show of each plan. */
const COLUMNS: Record<Advice, readonly Column[]> = {
  withdrawn: BOTH,
  start: BOTH,
  differs: BOTH,
  'only-here': KNOWN,
  'only-there': [...KNOWN, 'place'],
};

/** The plans with the same advice, and that advice. */
function adviceTable(advice: Advice, rows: readonly ReconciledRow[]): Html | false {
  const of = rows.filter((row) => adviceOf(row) === advice);
  const columns = COLUMNS[advice];
  return (
    of.length > 0 &&
    table(
      RECONCILE.results[advice],
      columns.map((column) => RECONCILE.columns[column]),
      of.map((row) => columns.map((column) => CELLS[column](row))),
    )
  );
}

function comparisonView(
  { compared, counts, rows, problems, file }: Reconciliation,
  path: string,
  wanted: number,
): Html {
  const differing = rows.filter(({ result }) => result !== 'same');
  const pages = Math.max(1, Math.ceil(differing.length / ON_A_PAGE));
  const page = Math.min(wanted, pages);
  const shown = differing.slice((page - 1) * ON_A_PAGE, page * ON_A_PAGE);
  const title = !compared
    ? RECONCILE.notCompared
    : differing.length === 0
      ? RECONCILE.same
      : RECONCILE.done;
  return html`${heading(title)}
<p><bdi>${file.name}</bdi>. ${compared && RECONCILE.counts(counts)} ${counts.over > 0 && RECONCILE.over(counts.over)}</p>
<p>${buttonLink(`${path}/csv`, RECONCILE.download)} ${RECONCILE.kept}</p>
${ADVICE.map((advice) => adviceTable(advice, shown))}
${pages > 1 && paragraph(COUNCIL.page(page, pages))}
${pager({
  ...(page > 1 && { newer: `${path}?page=${page - 1}` }),
  ...(page < pages && { older: `${path}?page=${page + 1}` }),
  words: OUTCOME.pages,
})}
${problems.length > 0 && table(OUTCOME.wrong, OUTCOME.columns, problems.slice(0, ON_A_PAGE).map(findingCells))}
${problems.length > ON_A_PAGE && paragraph(OUTCOME.more(problems.length - ON_A_PAGE))}
<p>${buttonLink(RECONCILE_PATH, RECONCILE.another, true)}</p>`;
}

const idOf = (c: RouteContext): string => c.req.param('id') ?? '';
const gone = () => ({ ...deskMessage(UPLOAD.gone, RECONCILE.kept, RECONCILE_PATH), status: 404 });

/** `GET /council/reconcile/{id}`: the differences, page by page. */
const councilComparison: Mountable<CouncilReconcileDependencies> = {
  operation: { method: 'GET', path: `${RECONCILE_PATH}/:id`, letsIn },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (c, at) => {
      const found = await dependencies.comparisons.find(idOf(c), ownerOf(at));
      if (found === undefined) return at.page(gone());
      return at.page({
        title: RECONCILE.title,
        content: comparisonView(found, `${RECONCILE_PATH}/${idOf(c)}`, pageOf(c.req.query('page'))),
      });
    }),
};

/**
 * `GET /council/reconcile/{id}/csv`: every plan of a comparison, as a file. Nobody else can make up its address, which
 * has a random id and opens for half an hour.
 */
const councilComparisonDownload: Mountable<CouncilReconcileDependencies> = {
  operation: { method: 'GET', path: `${RECONCILE_PATH}/:id/csv`, letsIn },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (c, at) => {
      const found = await dependencies.comparisons.find(idOf(c), ownerOf(at));
      return found === undefined
        ? at.page(gone())
        : download(
            `${at.authority}-compared.csv`,
            mediaType('csv'),
            formatReconciliation(found, 'csv'),
          );
    }),
};

export const RECONCILE_PAGES = [
  councilReconcileForm,
  councilReconcile,
  councilComparison,
  councilComparisonDownload,
] as const;
