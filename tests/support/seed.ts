/**
 * What tests draw at random they draw from this seed, so that each run tries the same. `FAULT_SEED` sets another one.
 */
export const SEED = Number(process.env['FAULT_SEED'] ?? '1');

/** For commands that look for faults: `FAULT_SEED`, or another each time. */
export const drawnSeed = (): string => process.env['FAULT_SEED'] ?? String(Date.now() % 1_000_000);
