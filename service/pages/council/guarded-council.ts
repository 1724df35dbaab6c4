import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { WorkRefused } from '../../admission/guarded.ts';
import type { Handler, RouteContext } from '../../http/route.ts';
import type { Mountable } from '../../routes/route.ts';
import type { AdmittedAuthority } from '../../uploads/guarded-authority.ts';
import { COUNCIL_DESK } from '../desk/desks.ts';
import {
  type ActForm,
  type AtDesk,
  type DeskDependencies,
  deskAct,
  guardedDesk,
} from '../desk/guarded-desk.ts';
import type { Fields } from '../session/forms.ts';

/** A person of a council, and the one authority for which they act: the organisation of their role. */
export type AtCouncil = AtDesk & { authority: OdsCode };

type Answer = Response | WorkRefused | Promise<Response | WorkRefused>;

function atCouncil(at: AtDesk): AtCouncil | undefined {
  const authority = odsCodeSchema.safeParse(at.caller.identity.role.organisation.code).data;
  return authority && { ...at, authority };
}

/** Guards a page of a council's own people. */
export const guardedCouncil = (
  dependencies: DeskDependencies,
  work: (c: RouteContext, at: AtCouncil) => Answer,
): Handler =>
  guardedDesk(dependencies, COUNCIL_DESK, (c, at) => {
    const council = atCouncil(at);
    return council === undefined ? { code: COUNCIL_DESK.without } : work(c, council);
  });

/** `GET PATH/:id`: the page of one of a council's own. */
export const pageOfOne = <D extends DeskDependencies>(
  path: string,
  page: (dependencies: D, council: AtCouncil, id: string) => Promise<Response>,
): Mountable<D> => ({
  operation: { method: 'GET', path: `${path}/:id`, letsIn: 'authority' },
  handler: (dependencies) =>
    guardedCouncil(dependencies, (c, council) =>
      page(dependencies, council, c.req.param('id') ?? ''),
    ),
});

/** Guards an act of a council's own people; see {@link deskAct}. */
export const councilAct = (
  dependencies: DeskDependencies,
  form: ActForm,
  work: (c: RouteContext, at: AtCouncil, fields: Fields) => Answer,
): Handler =>
  deskAct(dependencies, COUNCIL_DESK, form, (c, at, fields) => {
    const council = atCouncil(at);
    return council === undefined ? { code: COUNCIL_DESK.without } : work(c, council, fields);
  });

/** The same as a request of the authority's own systems. */
export const admittedAs = ({ ids, caller, authority }: AtCouncil): AdmittedAuthority => ({
  kind: 'admitted',
  ids,
  caller,
  authority,
});
