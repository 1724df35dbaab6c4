import type { DependenciesOf } from '../routes/route.ts';
import { COLUMNS_PAGES } from './council/columns.ts';
import { councilHeld } from './council/held.ts';
import { HISTORY_PAGES } from './council/history.ts';
import { HOLDINGS_PAGES } from './council/holdings.ts';
import { councilHome } from './council/home.ts';
import { councilLooks, councilLooksOfChild } from './council/looks.ts';
import { councilNumbers, councilNumbersCheck, councilNumbersSet } from './council/numbers.ts';
import { RECONCILE_PAGES } from './council/reconcile.ts';
import { RESTRICTIONS_PAGES } from './council/restrictions.ts';
import { UPLOAD_PAGES } from './council/upload.ts';
import {
  councilWithdrawal,
  councilWithdrawalAsk,
  councilWithdrawalConfirm,
  councilWithdrawalDecline,
  councilWithdrawalFind,
  councilWithdrawalNew,
  councilWithdrawals,
  councilWithdrawalUndo,
} from './council/withdrawals.ts';
import type { DeskDependencies } from './desk/guarded-desk.ts';
import { OFFICER_PAGES } from './officer/pages.ts';
import { OPERATOR_PAGES } from './operator/pages.ts';

/** Every page for councils, privacy officers and operators. They are not part of the API. */
export const DESK_PAGES = [
  councilHome,
  ...UPLOAD_PAGES,
  ...HISTORY_PAGES,
  councilHeld,
  ...HOLDINGS_PAGES,
  ...RECONCILE_PAGES,
  councilLooks,
  councilLooksOfChild,
  ...OFFICER_PAGES,
  councilNumbers,
  councilNumbersCheck,
  councilNumbersSet,
  ...COLUMNS_PAGES,
  councilWithdrawals,
  councilWithdrawalNew,
  councilWithdrawalFind,
  councilWithdrawalAsk,
  councilWithdrawal,
  councilWithdrawalConfirm,
  councilWithdrawalDecline,
  councilWithdrawalUndo,
  ...RESTRICTIONS_PAGES,
  ...OPERATOR_PAGES,
] as const;

/** What they work with, besides what all pages have in common. */
export type DeskWorkDependencies = Omit<
  DependenciesOf<typeof DESK_PAGES>,
  | keyof DeskDependencies
  | 'isDemo'
  | 'organisations'
  | 'previews'
  | 'comparisons'
  | 'heldDays'
  | 'notifiedEveryMs'
>;
