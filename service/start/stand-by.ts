import type { Build, OwnCheck } from '#schemas/status.ts';
import { createApp } from '../app.ts';
import { serveHttp } from '../http/server.ts';
import type { TlsMaterial } from '../http/tls.ts';
import { ping } from '../routes/ping.ts';
import { mount } from '../routes/route.ts';
import { status } from '../routes/status.ts';
import type { StartContext } from './context.ts';

const ENDS_WITHIN_MS = 1_000;

/**
 * While a worker stands by it says so in `/_status` and its metrics, and that the process is running. It
 * answers nothing else.
 */
export function createStandByServer(
  { configuration, log, telemetry }: StartContext,
  { build, tls }: { build: Build; tls: TlsMaterial | undefined },
) {
  const { HOST: host, PORT: port } = configuration;
  const since = new Date().toISOString();
  let check: OwnCheck | undefined;
  let serving: ReturnType<typeof serveHttp> | undefined;
  const routes = mount([ping, status], {
    build,
    readiness: { ready: false, checks: () => [], authoritiesAt: 0 },
    own: () => (check === undefined ? [] : [check]),
    stopping: () => false,
  });
  return {
    async say(why: string): Promise<void> {
      check = { name: 'worker', ok: false, detail: why, since };
      void telemetry.start();
      serving ??= serveHttp(createApp(routes, { log }).fetch, {
        host,
        port,
        tls,
        observer: telemetry.observer(routes.map(({ operation }) => operation.path)),
      });
      await serving;
    },
    async end(): Promise<void> {
      await (await serving)?.stop(ENDS_WITHIN_MS);
      serving = undefined;
    },
  };
}
