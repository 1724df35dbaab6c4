import { randomUUID } from 'node:crypto';
import type { Acknowledgement, Finding } from '#schemas/uploads/acknowledgement.ts';
import type { InactiveNumber, InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { iso } from '../answers/acknowledge.ts';
import { traceWaiting } from '../check/trace-numbers.ts';
import { type NumberTracer, TRACED_AT_ONCE } from '../check/tracing/tracer.ts';
import { asLoadFailed } from '../load-failed.ts';
import { type WaitingPerson, waitingPeople } from '../spool/waiting-people.ts';
import { type HeldFile, listHeldFiles, releaseHeldFile } from './held-files.ts';

/** Files with records that wait to be traced, the oldest first. */
export const listWaitingFiles = (anchor: Anchor): HeldFile[] =>
  listHeldFiles(anchor).filter(({ untraced }) => untraced !== undefined);

type TakeUpOptions = {
  tracer: NumberTracer;
  /** Called with the notice of numbers no longer in use before anything is applied. */
  onNotice: (notice: InactiveNumbersNotice) => Promise<void> | void;
  by: string;
  /** Once aborted, nobody else is traced; traced records are loaded, or continued from the journal. */
  signal: AbortSignal;
  /** Milliseconds since 1970; default the present. */
  now?: () => number;
  lockWaitMs?: number;
};

/**
 * Traces the waiting people of a file, and loads the records that could be traced: as of now, as a release
 * does. The others still wait.
 *
 * @returns its acknowledgement, which is provisional as long as some wait; `undefined` if nobody could be
 * traced, or the file no longer waits
 * @throws {LoadFailed} if the store or the disk failed, or somebody else decided on the file meanwhile
 */
export async function takeUpWaitingFile(
  store: Store,
  anchor: Anchor,
  heldFile: HeldFile,
  { tracer, onNotice, by, signal, now = Date.now, lockWaitMs }: TakeUpOptions,
): Promise<Acknowledgement | undefined> {
  const { id, authority, untraced: of = 0 } = heldFile;
  const folder = anchor.heldFiles().find((each) => each.id === id)?.folder;
  if (folder === undefined) return undefined;
  const waits = new Set<number>();
  const everybody: WaitingPerson[] = [];
  const findings = new Map<number, Finding[]>();
  const inactive = new Map<string, InactiveNumber>();
  try {
    for (const people of inTurns(waitingPeople(folder, of))) {
      const traces = await traceWaiting(tracer, people, authority, signal);
      everybody.push(...people);
      for (const [i, person] of people.entries()) {
        const trace = traces[i];
        if (trace === undefined) {
          waits.add(person.record);
          continue;
        }
        findings.set(person.record, [...(findings.get(person.record) ?? []), ...trace.failures]);
        for (const number of trace.inactive) inactive.set(number.nhsNumber, number);
      }
    }
  } catch (error) {
    throw asLoadFailed(error, LOAD_FAILED.notLoaded);
  }
  // A record with somebody who could not be traced waits with all its people.
  for (const record of waits) findings.delete(record);
  if (findings.size === 0) return undefined;
  if (inactive.size > 0) {
    const name = (await store.authority(authority))?.name;
    await onNotice({
      id: randomUUID(),
      createdAt: iso(now()),
      authority: { code: authority, ...(name !== undefined && { name }) },
      sequence: heldFile.number,
      numbers: [...inactive.values()],
      omitted: 0,
    });
  }
  return releaseHeldFile(store, anchor, id, {
    by,
    reason: 'its NHS numbers were traced',
    now,
    stopped: signal,
    ...(lockWaitMs !== undefined && { lockWaitMs }),
    traced: { of, findings, people: everybody.filter(({ record }) => waits.has(record)) },
  });
}

/** How many people a tracer is asked for at once. */
function* inTurns(people: Iterable<WaitingPerson>): Generator<WaitingPerson[]> {
  let turn: WaitingPerson[] = [];
  for (const person of people) {
    turn.push(person);
    if (turn.length < TRACED_AT_ONCE) continue;
    yield turn;
    turn = [];
  }
  if (turn.length > 0) yield turn;
}
