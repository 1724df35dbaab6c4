import type { Operation } from '../description/operation.ts';
import type { Handler, MountedRoute } from '../http/route.ts';

/** A handler's mount point, and how it is made from its dependencies. */
export type Mountable<Dependencies> = {
  operation: MountedRoute['operation'];
  handler: (dependencies: Dependencies) => Handler;
};

/** An endpoint: what the description says about it, and its handler. */
export type Route<Dependencies> = Mountable<Dependencies> & { operation: Operation };

/** Dependencies shared by several routes. */
export type DependenciesOf<Routes extends readonly Mountable<never>[]> = (
  Routes[number] extends infer Each
    ? Each extends Mountable<infer Dependencies>
      ? (dependencies: Dependencies) => void
      : never
    : never
) extends (dependencies: infer All) => void
  ? All
  : never;

/** Makes the handlers of routes. */
export const mount = <Dependencies>(
  routes: readonly Mountable<Dependencies>[],
  dependencies: Dependencies,
): MountedRoute[] =>
  routes.map(({ operation, handler }) => ({ operation, handler: handler(dependencies) }));

/** The methods of each address, as in the Allow header. HEAD is answered if no token is required. */
export function allowedMethods(
  routes: readonly Pick<MountedRoute, 'operation'>[],
): ReadonlyMap<string, string> {
  const allowed = new Map<string, string>();
  for (const { operation } of routes) {
    const { method, path, letsIn, optionsAt = [] } = operation;
    const read = method === 'GET' && letsIn === 'anybody' ? 'GET, HEAD' : method;
    const own = optionsAt.includes(path) ? `${read}, OPTIONS` : read;
    const others = allowed.get(path);
    allowed.set(path, others === undefined ? own : `${others}, ${own}`);
  }
  return allowed;
}
