import { z } from 'zod';
import { auditedOutcome } from '#loaders/answers/acknowledge.ts';
import { acknowledgementFormats, formatAcknowledgement } from '#loaders/answers/answers.ts';
import { type HeldFile, listHeldFiles } from '#loaders/upkeep/held-files.ts';
import type { AuditCriteria } from '#schemas/audit/audit-search.ts';
import type { OdsCode } from '#schemas/authority.ts';
import {
  type Acknowledgement,
  acknowledgementSchema,
  fileCodes,
} from '#schemas/uploads/acknowledgement.ts';
import { HISTORY, UPLOAD } from '#schemas/wording/council.ts';
import { shortTimeText } from '#schemas/wording/times.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { readCursor, writeCursor } from '../../audit/search/search.ts';
import type { Searcher } from '../../audit/search/searcher.ts';
import type { ShownEvent } from '../../audit/search/view.ts';
import type { RouteContext } from '../../http/route.ts';
import type { Mountable } from '../../routes/route.ts';
import { mediaType } from '../../uploads/format.ts';
import { download } from '../desk/download.ts';
import { type DeskDependencies, deskMessage } from '../desk/guarded-desk.ts';
import { pager, table } from '../desk/parts.ts';
import { html } from '../html/html.ts';
import { buttonLink, heading, link, paragraph } from '../html/parts.ts';
import { councilAct, guardedCouncil } from './guarded-council.ts';
import {
  auditedOutcomeText,
  DOWNLOAD_FORM,
  downloads,
  isKept,
  notDone,
  outcomeDetails,
  outcomeText,
  pageOf,
} from './outcome.ts';
import { filePath, HISTORY_PATH, UPLOAD_PATH } from './upload-view.ts';

type CouncilHistoryDependencies = DeskDependencies & {
  store: Pick<Store, 'intakeState' | 'fileOf'>;
  anchor: Pick<Anchor, 'heldFiles'>;
  searcher: Pick<Searcher, 'search'>;
  isDemo: () => boolean;
};

const ON_A_PAGE = 25;
const letsIn = 'authority';

/** What the audit has about a file. */
const listedFile = z.object({
  at: z.iso.datetime(),
  sequence: z.int(),
  sha256: z.string(),
  /** A newer version may know more. */
  code: z.enum(fileCodes).optional().catch(undefined),
  accepted: z.int(),
  refused: z.int(),
  held: z.literal(true).optional(),
  heldPart: z.literal(true).optional(),
  superseded: z.int().optional(),
});

/** What the audit has about a new numbering. */
const listedNumbering = z.object({
  at: z.iso.datetime(),
  by: z.string(),
  detail: z.object({ highest: z.int().optional() }),
});

/** A council has very few: one with each new case system. */
const NUMBERINGS_AT_MOST = 100;

type Numbering = { at: string; offset: number };

/** The numberings that began, newest first, each with the number at which this service counts its first file. */
function numberingsOf(events: readonly ShownEvent[]): Numbering[] {
  let offset = 0;
  return events
    .toReversed()
    .map((event) => {
      const { at, detail } = listedNumbering.parse(event);
      if (detail.highest !== undefined) offset += detail.highest + 1;
      return { at, offset };
    })
    .toReversed();
}

/** What waits of one council, by number and digest. */
type Waiting = readonly Pick<HeldFile, 'number' | 'sha256'>[];

/**
 * A file as a row of the list. The audit says for ever that a file was held; the list says so only while it
 * is, and afterwards what its answer says, if that is kept.
 */
async function rowOf(
  { store }: Pick<CouncilHistoryDependencies, 'store'>,
  authority: OdsCode,
  { waiting, numberings }: { waiting: Waiting; numberings: readonly Numbering[] },
  event: ShownEvent,
) {
  const { at, sequence, sha256, heldPart, ...audited } = listedFile.parse(event);
  const number = sequence < 0 ? undefined : sequence;
  const time = shortTimeText(at);
  // An address with a number of an earlier numbering would show another file.
  const numbering = numberings.find((each) => each.at < at);
  const isNumbered = numbering === numberings[0];
  // Its records are counted where the file itself is listed.
  if (heldPart === true) return [time, number, HISTORY.heldPart(audited.held !== true), '', ''];
  const wasHeld =
    audited.held === true &&
    !waiting.some((each) => each.number === sequence && each.sha256 === sha256);
  const answer = wasHeld
    ? await answerTo(store, authority, sequence + (numbering?.offset ?? 0))
    : undefined;
  const known = answer?.file.sha256 === sha256 ? answer : undefined;
  const outcome = known === undefined ? audited : auditedOutcome(known);
  const isDecidedUnknown = wasHeld && known === undefined;
  return [
    time,
    number !== undefined && isNumbered && !isDecidedUnknown && isKept(outcome)
      ? link(filePath(number), String(number))
      : number,
    isDecidedUnknown
      ? HISTORY.wasHeld
      : known === undefined
        ? auditedOutcomeText(outcome)
        : outcomeText(known),
    ...(isDecidedUnknown ? ['', ''] : [outcome.accepted, outcome.refused]),
  ];
}

/** Where a numbering began, as a row of the list. */
function numberingRow(event: ShownEvent) {
  const { at, by, detail } = listedNumbering.parse(event);
  return [shortTimeText(at), '', HISTORY.newNumbering(by, detail.highest), '', ''];
}

/** `GET /council/history`: every file of the council, however it arrived, newest first. */
const councilHistory: Mountable<CouncilHistoryDependencies> = {
  operation: { method: 'GET', path: HISTORY_PATH, letsIn },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (c, { authority, page }) => {
      const criteria: AuditCriteria = { authority, type: 'load' };
      const cursor = c.req.query('after');
      const after = cursor === undefined ? undefined : readCursor(cursor, criteria);
      // The query names the council; the address never does.
      const viewer = { kind: 'all' } as const;
      const { searcher } = dependencies;
      const [found, begun] = await Promise.all([
        searcher.search({ criteria, viewer, limit: ON_A_PAGE, after }),
        searcher.search({
          criteria: { authority, type: 'sequence-reset' },
          viewer,
          limit: NUMBERINGS_AT_MOST,
        }),
      ]);
      if (found.kind !== 'found' || begun.kind !== 'found') {
        const say = deskMessage(HISTORY.unavailable, HISTORY.unavailableThen, '/council');
        return page({ ...say, status: 503 });
      }
      const { events, next } = found;
      const waiting = listHeldFiles(dependencies.anchor).filter(
        (each) => each.authority === authority,
      );
      const numberings = numberingsOf(begun.events);
      const isOfPage = ({ at }: ShownEvent): boolean =>
        (after === undefined || Date.parse(at) < after.at) &&
        (next === undefined || Date.parse(at) >= next.at);
      const listed = [...events, ...begun.events.filter(isOfPage)].toSorted(
        (one, other) => Date.parse(other.at) - Date.parse(one.at),
      );
      const rows = await Promise.all(
        listed.map(async (event) =>
          event.type === 'load'
            ? rowOf(dependencies, authority, { waiting, numberings }, event)
            : numberingRow(event),
        ),
      );
      return page({
        title: HISTORY.title,
        content: html`${heading(HISTORY.title)}
${paragraph(HISTORY.lead)}
${listed.length === 0 ? paragraph(HISTORY.none) : table(HISTORY.title, HISTORY.columns, rows)}
${pager({
  ...(after !== undefined && { newer: HISTORY_PATH }),
  ...(next !== undefined && { older: `${HISTORY_PATH}?after=${writeCursor(next, criteria)}` }),
  words: HISTORY.pages,
})}
<p>${buttonLink(UPLOAD_PATH, UPLOAD.title)}</p>`,
      });
    }),
};

/** The answer to a file by its number in this service's count; `undefined` if none is kept. */
async function answerTo(
  store: CouncilHistoryDependencies['store'],
  authority: OdsCode,
  sequence: number,
): Promise<Acknowledgement | undefined> {
  const entry = await store.fileOf(authority, sequence);
  return entry && acknowledgementSchema.parse(JSON.parse(entry.acknowledgement));
}

/** The answer that an address of the authority's own asks for. */
async function acknowledgementOf(
  { store }: Pick<CouncilHistoryDependencies, 'store'>,
  authority: OdsCode,
  c: RouteContext,
): Promise<Acknowledgement | undefined> {
  const text = c.req.param('sequence') ?? '';
  if (!/^[0-9]{1,15}$/.test(text)) return undefined;
  const { sequenceOffset } = await store.intakeState(authority);
  return answerTo(store, authority, Number(text) + sequenceOffset);
}

const notKept = () => ({
  ...deskMessage(HISTORY.notKept, HISTORY.notKeptThen, HISTORY_PATH),
  status: 404,
});

/** `GET /council/history/{sequence}`: what became of a file. */
const councilFile: Mountable<CouncilHistoryDependencies> = {
  operation: { method: 'GET', path: `${HISTORY_PATH}/:sequence`, letsIn },
  handler: (dependencies) =>
    guardedCouncil(dependencies, async (c, at) => {
      const { authority, page } = at;
      const found = await acknowledgementOf(dependencies, authority, c);
      if (found === undefined) return page(notKept());
      const path = filePath(found.sequence);
      const title = HISTORY.file(found.sequence);
      return page({
        title,
        content: html`${heading(`${title}: ${outcomeText(found)}`)}
${notDone(found)}
${downloads(at, found, path)}
${outcomeDetails(found, dependencies.isDemo(), { path, page: pageOf(c.req.query('page')) })}`,
      });
    }),
};

/** `POST /council/history/{sequence}`: the same as a file, which may have numbers of children. */
const councilFileDownload: Mountable<CouncilHistoryDependencies> = {
  operation: { method: 'POST', path: `${HISTORY_PATH}/:sequence`, letsIn },
  handler: (dependencies) =>
    councilAct(dependencies, { form: DOWNLOAD_FORM, repeats: true }, async (c, at, fields) => {
      const { authority, page } = at;
      const found = await acknowledgementOf(dependencies, authority, c);
      const format =
        found && acknowledgementFormats(found).find((each) => each === fields.get('as'));
      if (found === undefined || format === undefined) return page(notKept());
      const name = `${authority}-${found.sequence}.ack.${format}`;
      return download(name, mediaType(format), formatAcknowledgement(found, format));
    }),
};

export const HISTORY_PAGES = [councilHistory, councilFile, councilFileDownload] as const;
