import type { Readiness } from '#store/trust/readiness.ts';
import { comparisonsFolder, councilsFile, previewsFolder } from '../files/data-folder.ts';
import type { MountedRoute, NotFound, NotRouted } from '../http/route.ts';
import { notifiedEveryMs } from '../notifications/notification-settings.ts';
import { openCouncilNumbers } from '../pages/councils/numbers.ts';
import { DESK_PAGES, type DeskWorkDependencies } from '../pages/desk-pages.ts';
import { unavailableAt } from '../pages/operator/unavailable.ts';
import {
  absentPages,
  createNotFound,
  createNotRouted,
  createPages,
  PAGES,
} from '../pages/pages.ts';
import { mount } from '../routes/route.ts';
import type { WorkRoutesDependencies } from '../routes/routes.ts';
import { errorFields } from '../telemetry/log.ts';
import { createComparisons } from '../uploads/comparisons.ts';
import { createPreviews } from '../uploads/previews.ts';
import type { Browsers } from './browsers.ts';
import type { StartContext } from './context.ts';
import type { Lookups } from './lookups.ts';
import type { OperatorStarted } from './operator.ts';

type Started = {
  routes: readonly MountedRoute[];
  /** What a browser is shown at an unknown address. */
  notFound?: NotFound;
  /** What it is shown for a request about which no route is asked. */
  notRouted?: NotRouted;
};

/** A process that serves both kinds has one answer for unknown addresses. */
const ALL_PAGES = [...PAGES, ...DESK_PAGES];

/** The pages on which a child is looked up, using the same parts as the API's lookups. */
export async function startPages(
  { configuration, log, add }: StartContext,
  browsers: Browsers | undefined,
  { readiness, lookups }: { readiness: Readiness; lookups: Lookups },
): Promise<Started> {
  if (browsers === undefined) return { routes: absentPages(PAGES) };
  const councils = await openCouncilNumbers(readiness, councilsFile(configuration), log);
  add(councils.stop);
  const { PASTED_LISTS_A_DAY: listsADay } = configuration;
  const { stop, routes } = createPages({ ...lookups, ...browsers, listsADay, councils });
  add(stop);
  return {
    routes,
    notFound: createNotFound(browsers, ALL_PAGES),
    notRouted: createNotRouted(browsers),
  };
}

/** The pages of councils, officers and operators, using the same parts as the API's routes for their systems. */
export async function startDesks(
  { configuration, log, add }: StartContext,
  browsers: Browsers | undefined,
  work: WorkRoutesDependencies & Omit<DeskWorkDependencies, keyof OperatorStarted>,
  operator: () => OperatorStarted,
): Promise<Started> {
  if (browsers === undefined) return { routes: absentPages(DESK_PAGES) };
  const previews = createPreviews({
    ...work,
    folder: previewsFolder(configuration),
    hasEnded: browsers.sessions.hasEnded,
  });
  add(previews.stop);
  const comparisons = createComparisons(comparisonsFolder(configuration), (error) =>
    log.error('Old comparisons could not be removed.', errorFields(error)),
  );
  add(comparisons.stop);
  await Promise.all([previews.sweep(), comparisons.sweep()]);
  const started = operator();
  return {
    routes: mount(DESK_PAGES, {
      ...work,
      ...started,
      ...browsers,
      unavailable: unavailableAt({ ...started, readiness: work.readiness }),
      previews,
      comparisons,
      heldDays: configuration.HELD_DAYS,
      notifiedEveryMs: () => notifiedEveryMs(configuration, browsers.isDemo() ? 'demo' : 'live'),
    }),
    notFound: createNotFound(browsers, ALL_PAGES),
    notRouted: createNotRouted(browsers),
  };
}
