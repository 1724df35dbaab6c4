import { errorFields, type Log } from '../telemetry/log.ts';

/** Adds a step that ends something that was started. */
export type Add = (step: () => Promise<void> | void) => void;

/** Ends things in reverse order, each whatever became of the others. */
export function createClosing(log: Log) {
  const steps: (() => Promise<void> | void)[] = [];
  let closed: Promise<void> | undefined;
  async function closeAll(): Promise<void> {
    for (const step of steps.toReversed()) {
      try {
        await step();
      } catch (error) {
        log.error('A part of the service did not stop cleanly.', errorFields(error));
      }
    }
  }
  return {
    add: ((step) => void steps.push(step)) satisfies Add,
    /** Whether the end has begun. */
    begun: (): boolean => closed !== undefined,
    close: (): Promise<void> => (closed ??= closeAll()),
  };
}
