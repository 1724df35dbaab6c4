import type { Configuration } from '#schemas/configuration.ts';
import type { Log } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Add } from './closing.ts';

/** What every part of the service is started with. A part that keeps running gives `add` the step that ends it. */
export type StartContext = {
  configuration: Configuration;
  log: Log;
  telemetry: Telemetry;
  add: Add;
};
