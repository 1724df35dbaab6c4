import type { PdsTracer } from '#loaders/check/tracing/pds/pds-tracer.ts';
import { openRegister, RegisterError } from '#loaders/check/tracing/register.ts';
import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import { ConfigurationError } from '#schemas/configuration.ts';
import type { Dataset } from '#store/authorities/dataset.ts';
import type { LoadConfiguration } from './load-settings.ts';

/**
 * The tracer of NHS numbers in uploads; `undefined` if they are not traced, which only a demo may do.
 *
 * @throws {ConfigurationError} for a live dataset without tracing, and for a register or key that cannot be
 * used
 */
export async function openNumberTracer(
  configuration: LoadConfiguration,
  kind: Dataset['kind'] | undefined,
): Promise<NumberTracer | PdsTracer | undefined> {
  const { TRACING, TRACING_REGISTER_FILE } = configuration;
  if (TRACING === 'pds') {
    // With the code that signs tokens, which takes a tenth of a command's start.
    const { openPdsTracer } = await import('./pds-tracing.ts');
    return openPdsTracer(configuration);
  }
  if (TRACING === 'none' || TRACING_REGISTER_FILE === undefined) {
    if (kind !== 'live') return undefined;
    throw new ConfigurationError(
      'TRACING: must be register or pds, because the dataset is live: a flag under a wrong number hides one child and marks another. Set TRACING_REGISTER_FILE, or PDS_URL and what belongs to it.',
    );
  }
  try {
    return await openRegister(TRACING_REGISTER_FILE);
  } catch (error) {
    if (!(error instanceof RegisterError)) throw error;
    throw new ConfigurationError(`TRACING_REGISTER_FILE: ${error.message}`);
  }
}

/** Whether numbers are traced in the Personal Demographics Service. */
export const isPds = (tracer: NumberTracer | PdsTracer | undefined): tracer is PdsTracer =>
  tracer !== undefined && 'asking' in tracer;
