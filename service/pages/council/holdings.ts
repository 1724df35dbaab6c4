import { londonDate } from '#schemas/calendar.ts';
import { HOLDINGS } from '#schemas/wording/council.ts';
import type { Mountable } from '../../routes/route.ts';
import { mediaType } from '../../uploads/format.ts';
import { createHoldingsReader, type HoldingsReaderDependencies } from '../../uploads/holdings.ts';
import { download } from '../desk/download.ts';
import { type DeskDependencies, deskMessage } from '../desk/guarded-desk.ts';
import { html } from '../html/html.ts';
import { button, heading, paragraph } from '../html/parts.ts';
import { admittedAs, councilAct, guardedCouncil } from './guarded-council.ts';

type CouncilHoldingsDependencies = DeskDependencies & HoldingsReaderDependencies;

const PATH = '/council/holdings';
const FORM = 'council-holdings';
const letsIn = 'authority';

/** `GET /council/holdings`: how all that is held is read. */
const councilHoldings: Mountable<CouncilHoldingsDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn },
  handler: (dependencies) =>
    guardedCouncil(dependencies, (_, { page, hidden }) =>
      page({
        title: HOLDINGS.title,
        content: html`${heading(HOLDINGS.title)}
${paragraph(HOLDINGS.lead)}
${paragraph(HOLDINGS.recorded)}
<form method="post" action="${PATH}" novalidate>${hidden(FORM)}${button(HOLDINGS.submit)}</form>`,
      }),
    ),
};

/** `POST /council/holdings`: all that is held for the council, as a file. */
const councilHoldingsRead: Mountable<CouncilHoldingsDependencies> = {
  operation: { method: 'POST', path: PATH, letsIn },
  handler(dependencies) {
    const open = createHoldingsReader(dependencies);
    return councilAct(dependencies, { form: FORM, repeats: true }, async (c, at) => {
      const text = await open(admittedAs(at), 'csv', c.env.outgoing);
      return text === 'store-unavailable' || text === 'authority-unknown'
        ? at.page({ ...deskMessage(HOLDINGS.title, HOLDINGS.busy, PATH), status: 503 })
        : download(`${at.authority}-held-${londonDate(Date.now())}.csv`, mediaType('csv'), text);
    });
  },
};

export const HOLDINGS_PAGES = [councilHoldings, councilHoldingsRead] as const;
