import type { RouteContext } from '../../http/route.ts';

const PARAMETER = 'reloaded';

/** Where a page goes that shows progress by reloading itself. */
export const reloadOf = (path: string): string => `${path}?${PARAMETER}=yes`;

/** Whether a page has reloaded itself. While its progress goes on, it then leaves the focus alone. */
export const isReload = (c: RouteContext): boolean => c.req.query(PARAMETER) === 'yes';
