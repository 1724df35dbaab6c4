import { shortTimeText, withTimeTexts } from '#schemas/wording/times.ts';
import { type Cell, isInstant, shownCell } from '../../audit/search/cells.ts';

/** Text from the audit for a page: a time as it stands alone, or a text with its times as in sentences. */
export const shownText = (cell: Cell): string =>
  isInstant(cell) ? shortTimeText(cell) : shownCell(withTimeTexts(String(cell)));
