import { openRegister, RegisterError } from '#loaders/check/tracing/register.ts';
import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import { type Configuration, ConfigurationError } from '#schemas/configuration.ts';
import type { Dataset } from '#store/authorities/dataset.ts';

/**
 * What NHS numbers in uploads are traced with; `undefined` where they are not, which only a demo may do.
 *
 * @throws {ConfigurationError} for a live dataset without tracing, and for a register that cannot be used
 */
export async function openNumberTracer(
  { TRACING, TRACING_REGISTER_FILE }: Configuration,
  kind: Dataset['kind'] | undefined,
): Promise<NumberTracer | undefined> {
  if (TRACING === 'none' || TRACING_REGISTER_FILE === undefined) {
    if (kind !== 'live') return undefined;
    throw new ConfigurationError(
      'TRACING: must be register, because the dataset is live: a flag under a wrong number hides one child and marks another. Set TRACING_REGISTER_FILE.',
    );
  }
  try {
    return await openRegister(TRACING_REGISTER_FILE);
  } catch (error) {
    if (!(error instanceof RegisterError)) throw error;
    throw new ConfigurationError(`TRACING_REGISTER_FILE: ${error.message}`);
  }
}
