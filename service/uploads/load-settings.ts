import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import type { LoadOptions } from '#loaders/load/load.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { noticesFolder, spoolFolder } from '../files/data-folder.ts';
import { writeNotice } from './notices.ts';

const MIB = 1_048_576;

/** The settings of a load, however its file arrives, for the help. Code that reads another does not compile. */
export const LOAD_SETTINGS = [
  'TRACING',
  'TRACING_REGISTER_FILE',
  'PDS_URL',
  'PDS_TOKEN_URL',
  'PDS_API_KEY',
  'PDS_KEY_ID',
  'PDS_KEY_FILE',
  'PDS_PER_SECOND',
  'PDS_REMEMBER_DAYS',
  'REREAD_SECONDS',
  'ACK_ECHO',
  'MAX_UPLOAD_MIB',
  'REMOVALS_WARN_SHARE',
  'REMOVALS_STOP_SHARE',
  'REFUSED_WARN_SHARE',
  'REFUSED_STOP_SHARE',
  'ROWS_WARN_TIMES',
  'ADDITIONS_STOP_TIMES',
] as const satisfies readonly (keyof Configuration)[];

export type LoadConfiguration = Pick<Configuration, 'DATA_DIR' | (typeof LOAD_SETTINGS)[number]>;

/** The configuration of every load, however a file arrives. */
export type LoadSettings = Pick<
  LoadOptions,
  'spoolDir' | 'tracer' | 'echoTo' | 'onNotice' | 'breakers' | 'stopped'
> & {
  maxBytes: number;
  /** Where notices go by default. */
  noticesDir: string;
};

/**
 * @param tracer from `openNumberTracer`. Notices of inactive numbers go into the data folder unless a way of
 * arrival has its own place for them.
 */
export function loadSettings(
  configuration: LoadConfiguration,
  tracer: NumberTracer | undefined,
): LoadSettings {
  return {
    spoolDir: spoolFolder(configuration),
    noticesDir: noticesFolder(configuration),
    maxBytes: configuration.MAX_UPLOAD_MIB * MIB,
    tracer,
    echoTo: configuration.ACK_ECHO,
    breakers: {
      removalsWarnShare: configuration.REMOVALS_WARN_SHARE,
      removalsStopShare: configuration.REMOVALS_STOP_SHARE,
      refusedWarnShare: configuration.REFUSED_WARN_SHARE,
      refusedStopShare: configuration.REFUSED_STOP_SHARE,
      rowsWarnTimes: configuration.ROWS_WARN_TIMES,
      additionsStopTimes: configuration.ADDITIONS_STOP_TIMES,
    },
    onNotice: async (notice) => {
      await writeNotice(noticesFolder(configuration), notice);
    },
  };
}
