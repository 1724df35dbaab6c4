import type { ErrorCode } from '#schemas/errors.ts';
import type { Scope } from '#schemas/people/identity.ts';
import { COUNCIL, HELD, HISTORY, HOLDINGS, RECONCILE, UPLOAD } from '#schemas/wording/council.ts';
import { COLUMNS } from '#schemas/wording/council-columns.ts';
import { LOOKS } from '#schemas/wording/council-looks.ts';
import { NUMBERS } from '#schemas/wording/council-numbers.ts';
import { OFFICER } from '#schemas/wording/officer.ts';
import { OPERATOR } from '#schemas/wording/operator.ts';
import { RESTRICTIONS } from '#schemas/wording/restrictions.ts';
import { WITHDRAWALS } from '#schemas/wording/withdrawals.ts';
import type { AccessDecision } from '../../admission/decide.ts';
import type { Viewer } from '../../audit/search/view.ts';

/** Where an operator sees the state of each council. */
export const COUNCILS_PAGE = '/operator/councils';

/** A page in a menu; only for the named views, if any are named. */
type Link = { href: string; text: string; for?: readonly Viewer['kind'][] };

const COUNCILS = ['authority'] as const;
/** Privacy officers and the operating Guardian. */
const PRIVACY = ['all', 'organisation'] as const;
const GUARDIAN = ['all'] as const;

/** The pages of one kind of work, opened by one scope. */
export type Desk = {
  name: 'council' | 'officer' | 'operator';
  scope: Scope;
  /** Where somebody who has signed in is taken. All its other addresses begin with it. */
  home: string;
  /** If given, only this view of the audit opens it too: that of the operating organisation. */
  only?: Viewer['kind'];
  /** The reason given to somebody who lacks the scope, or is of another organisation. */
  without: ErrorCode;
  /** Where its people can go, from every page of it. */
  links: readonly Link[];
};

export const COUNCIL_DESK: Desk = {
  name: 'council',
  scope: 'upload',
  home: '/council',
  without: 'authority-token-required',
  links: [
    { href: '/council', text: COUNCIL.home },
    { href: '/council/upload', text: UPLOAD.title, for: COUNCILS },
    { href: '/council/history', text: HISTORY.title, for: COUNCILS },
    { href: '/council/held', text: HELD.title, for: COUNCILS },
    { href: '/council/holdings', text: HOLDINGS.title, for: COUNCILS },
    { href: '/council/reconcile', text: RECONCILE.title, for: COUNCILS },
    { href: '/council/looks', text: LOOKS.title, for: COUNCILS },
    { href: '/council/numbers', text: NUMBERS.title, for: COUNCILS },
    { href: '/council/columns', text: COLUMNS.title, for: COUNCILS },
    { href: '/council/withdrawals', text: WITHDRAWALS.title, for: COUNCILS },
    { href: '/council/restrictions', text: RESTRICTIONS.title, for: COUNCILS },
  ],
};

export const OFFICER_DESK: Desk = {
  name: 'officer',
  scope: 'audit',
  home: '/officer',
  without: 'audit-scope-required',
  links: [
    { href: '/officer', text: OFFICER.search },
    { href: '/officer/reports', text: OFFICER.reports, for: PRIVACY },
    { href: '/officer/patterns', text: OFFICER.patterns, for: PRIVACY },
    { href: '/officer/child', text: OFFICER.child, for: PRIVACY },
    { href: '/officer/cases', text: OFFICER.cases, for: PRIVACY },
    { href: '/officer/seal', text: OFFICER.seal, for: PRIVACY },
    { href: '/officer/holds', text: OFFICER.holds, for: GUARDIAN },
    { href: '/officer/erase', text: OFFICER.erase, for: GUARDIAN },
    { href: '/officer/blocked', text: OFFICER.blocked, for: PRIVACY },
  ],
};

export const OPERATOR_DESK: Desk = {
  name: 'operator',
  scope: 'operate',
  home: '/operator',
  only: 'all',
  without: 'operator-token-required',
  links: [
    { href: '/operator', text: OPERATOR.home },
    { href: COUNCILS_PAGE, text: OPERATOR.councils },
    { href: '/operator/files', text: OPERATOR.files },
    { href: '/operator/messages', text: OPERATOR.messages },
    { href: '/operator/users', text: OPERATOR.users },
    { href: '/operator/running', text: OPERATOR.running },
    { href: '/operator/runbook', text: OPERATOR.runbook },
  ],
};

/** All of them, in the order of preference for somebody with the rights to several. */
const ALL_DESKS: readonly Desk[] = [COUNCIL_DESK, OFFICER_DESK, OPERATOR_DESK];

export const isFor = (viewer: Viewer['kind'], only: Desk['only']): boolean =>
  only === undefined || viewer === only;

/** The desks that are open to somebody: by their scopes, and by what the organisation of their role may see. */
export const desksOf = (scopes: readonly Scope[], viewer: Viewer['kind']): Desk[] =>
  ALL_DESKS.filter(({ scope, only }) => scopes.includes(scope) && isFor(viewer, only));

/** Where somebody who has signed in is taken; `undefined` if nothing here is for them. */
export const homeOf = (
  scopes: readonly Scope[],
  viewer: Viewer['kind'],
  access: Pick<AccessDecision, 'kind'>,
): string | undefined =>
  access.kind === 'granted' ? '/look-up' : desksOf(scopes, viewer)[0]?.home;
