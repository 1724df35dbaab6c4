import { randomUUID } from 'node:crypto';
import { iso } from '#loaders/answers/acknowledge.ts';
import type { PdsTracer } from '#loaders/check/tracing/pds/pds-tracer.ts';
import { NumberTracingUnavailable } from '#loaders/check/tracing/tracer.ts';
import { finalAnswer } from '#loaders/inbox/held.ts';
import { RETRIED_LOCK_WAIT_MS, withLock } from '#loaders/load/lock.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { type FoundInactive, reverifyNumbers } from '#loaders/upkeep/reverify.ts';
import { listWaitingFiles, takeUpWaitingFile } from '#loaders/upkeep/waiting-files.ts';
import { fileNumber, odsCodeSchema } from '#schemas/authority.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import type { OwnCheck } from '#schemas/status.ts';
import type { InactiveNumbersNotice } from '#schemas/uploads/notice.ts';
import { PDS } from '#schemas/wording/loads.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { StoreVerifier } from '#store/trust/verifier.ts';
import { writeSensitiveAlert } from '../audit/alert/privacy-outbox.ts';
import { errorCode, errorFields, type Log, type LogFields } from '../telemetry/log.ts';
import { writeFinals } from '../uploads/final-acknowledgements.ts';
import { writeNotice, writeSensitiveNotice } from '../uploads/notices.ts';

const REVERIFY_EVERY_MS = 3_600_000;
/** After this many looks a check that failed is tried again, since PDS is asked each time. */
const LOOKS_BETWEEN_TRIES = 12;

export type PdsWork = {
  /** What waits, and the state of PDS. */
  check(): OwnCheck;
  /** Takes up what can be taken up now. Never rejects. */
  takeUp(): Promise<void>;
  /** Checks again the numbers that are due. Never rejects. */
  reverify(): Promise<void>;
  /** Ends promptly, however long the service has asked to wait. */
  stop(): Promise<void>;
};

/**
 * A worker's work with the Personal Demographics Service besides loads: it takes up records that waited to be
 * traced, and checks again the numbers of everybody held.
 */
export function startPdsWork({
  tracer,
  store,
  anchor,
  verifier,
  noticesDir,
  acknowledgementsDir,
  privacyOutbox,
  reverifyMs,
  rememberMs,
  lookEveryMs,
  log,
  now = Date.now,
}: {
  tracer: PdsTracer;
  store: Store;
  anchor: Anchor;
  verifier: Pick<StoreVerifier, 'state'>;
  noticesDir: string;
  /** Where final acknowledgements go that no process waits for. */
  acknowledgementsDir: string;
  privacyOutbox: string;
  reverifyMs: number;
  rememberMs: number;
  /** How often to check whether waiting records can be taken up. */
  lookEveryMs: number;
  log: Log;
  now?: () => number;
}): PdsWork {
  const stopping = new AbortController();
  let takingUp: Promise<void> | undefined;
  let reverifying: Promise<void> | undefined;
  let reverifiedAt = Number.NEGATIVE_INFINITY;
  let reverifyAgainAt = Number.NEGATIVE_INFINITY;
  /** Numbers whose sensitive records are in the audit, and not yet reported. */
  const recordedSensitive = new Map<NhsNumber, { auditId: string; at: string }>();
  /** What was reported about a file, until something else is wrong with it. */
  const reported = new Map<string, string>();

  function reportOnce(file: string, says: string, error: unknown, fields: LogFields = {}): void {
    const fault = `${says} ${errorCode(error)}`;
    if (reported.get(file) === fault) return;
    reported.set(file, fault);
    log.error(says, { ...fields, ...errorFields(error) });
  }

  async function addNotice(notice: InactiveNumbersNotice, lockWaitMs?: number): Promise<void> {
    const { sequence } = notice;
    const authority = odsCodeSchema.parse(notice.authority.code);
    const add = () =>
      writeNotice(noticesDir, notice, () =>
        log.error('A notice could not be read. It was put aside, and a new one was started.', {
          authority,
          sequence,
        }),
      );
    await withLock(store, authority, lockWaitMs, add, { stopped: stopping.signal });
  }

  async function takeUpFiles(): Promise<void> {
    for (const heldFile of listWaitingFiles(anchor)) {
      if (stopping.signal.aborted || !verifier.state.opened || !tracer.mayAsk) return;
      const { authority, number: sequence } = heldFile;
      try {
        const done = await takeUpWaitingFile(store, anchor, heldFile, {
          tracer,
          onNotice: (notice) => addNotice(notice, RETRIED_LOCK_WAIT_MS),
          by: 'service',
          signal: stopping.signal,
          lockWaitMs: RETRIED_LOCK_WAIT_MS,
          now,
        });
        if (done === undefined) continue;
        const count = done.held?.records ?? 0;
        log.info('Records that waited to be traced were taken up.', {
          authority,
          sequence,
          code: done.code,
          count,
        });
      } catch (error) {
        // It still waits after any failure, is tried again, and delays no other file.
        const says = PDS.takeUpFailed;
        if (error instanceof LoadFailed) log.warn(says, { authority, sequence });
        else reportOnce(`${authority} ${sequence}`, says, error, { authority, sequence });
      }
    }
  }

  /** Including files that were abandoned, or decided while nobody looked. */
  async function answerFiles(): Promise<void> {
    if (!verifier.state.opened) return;
    const written = await writeFinals(
      acknowledgementsDir,
      (provisional) => finalAnswer(store, anchor, provisional),
      (name, error) => {
        // A name that is not ours is not repeated: it may contain anything.
        const [, authority, sequence] = /^([A-Z0-9]+)-([0-9]+)-/.exec(name) ?? [];
        reportOnce(
          `waiting/${name}`,
          PDS.finalUnreadable,
          error,
          authority === undefined ? {} : { authority, sequence: Number(sequence) },
        );
      },
    );
    for (const { authority, sequence, code } of written) {
      log.info('A final acknowledgement was written into the acknowledgements folder.', {
        ...(authority !== undefined && { authority: authority.code }),
        sequence,
        code,
      });
    }
  }

  async function tellInactive(found: readonly FoundInactive[]): Promise<void> {
    for (const { authority, sequence, nhsNumber, localId, replacedBy } of found) {
      const { authority: known, sequenceOffset } = await store.intakeState(authority);
      await addNotice({
        id: randomUUID(),
        createdAt: new Date(now()).toISOString(),
        authority: { code: authority, ...(known !== undefined && { name: known.name }) },
        sequence: fileNumber(sequence, sequenceOffset),
        numbers: [
          {
            nhsNumber,
            ...(localId !== '' && { localId }),
            ...(replacedBy !== undefined && { replacedBy }),
          },
        ],
        omitted: 0,
      });
      log.warn('An NHS number is no longer in use. Its authority was given a notice.', {
        authority,
      });
    }
  }

  async function tellSensitive(nhsNumber: NhsNumber, rows: readonly PlanRow[]): Promise<void> {
    const authorities = [...new Set(rows.map(({ authority }) => authority))];
    const again = recordedSensitive.get(nhsNumber);
    const { auditId, at } = again ?? {
      auditId: randomUUID(),
      at: new Date(now()).toISOString(),
    };
    if (again === undefined) {
      await store.appendEvent({
        type: 'number-sensitive',
        auditId,
        by: 'service',
        detail: { nhsNumber, authorities: authorities.join(',') },
      });
      recordedSensitive.set(nhsNumber, { auditId, at });
    }
    for (const code of authorities) {
      const name = (await store.authority(odsCodeSchema.parse(code)))?.name;
      const localId = rows.find(({ authority }) => authority === code)?.localId ?? '';
      await writeSensitiveNotice(noticesDir, {
        id: auditId,
        createdAt: at,
        authority: { code, ...(name !== undefined && { name }) },
        nhsNumber,
        ...(localId !== '' && { localId }),
      });
    }
    await writeSensitiveAlert(privacyOutbox, { auditId, at, authorities });
    recordedSensitive.delete(nhsNumber);
    log.warn('A child’s record has become sensitive. The authority and the Guardian were told.');
  }

  async function reverifyDue(): Promise<void> {
    if (stopping.signal.aborted || !verifier.state.opened || !tracer.mayAsk) return;
    const at = now();
    const { looked, unknown, failure } = await reverifyNumbers(store, {
      tracer,
      since: at - reverifyMs,
      onInactive: tellInactive,
      onSensitive: tellSensitive,
      signal: stopping.signal,
      now,
    });
    if (failure === undefined) reverifiedAt = at;
    tracer.memory.forget(at - 2 * Math.max(rememberMs, reverifyMs));
    if (looked > 0) log.info('NHS numbers were checked again.', { count: looked });
    if (unknown > 0) {
      log.error(
        'PDS does not know numbers under which plans are held. Check that PDS_URL is not that of another environment.',
        { count: unknown },
      );
    }
    if (failure !== undefined) throw failure.error;
  }

  const guarded = (work: () => Promise<void>, failed: string) => (): Promise<void> =>
    work().catch((error: unknown) => {
      if (error instanceof NumberTracingUnavailable) return;
      log.warn(failed, errorFields(error));
    });
  const takeUpOnce = guarded(takeUpFiles, PDS.takeUpFailed);
  const answerOnce = guarded(answerFiles, PDS.finalFailed);
  const reverifyOnce = guarded(
    () =>
      reverifyDue().catch((error: unknown) => {
        reverifyAgainAt = performance.now() + LOOKS_BETWEEN_TRIES * lookEveryMs;
        throw error;
      }),
    PDS.recheckFailed,
  );

  function takeUp(): Promise<void> {
    takingUp ??= takeUpOnce()
      .then(answerOnce)
      .finally(() => {
        takingUp = undefined;
      });
    return takingUp;
  }
  function reverify(): Promise<void> {
    reverifying ??= reverifyOnce().finally(() => {
      reverifying = undefined;
    });
    return reverifying;
  }

  const timer = setInterval(() => {
    void takeUp();
    // Even if the clock has been put back since.
    const isDue = Math.abs(now() - reverifiedAt) >= REVERIFY_EVERY_MS;
    if (isDue && performance.now() >= reverifyAgainAt) void reverify();
  }, lookEveryMs);
  return {
    check() {
      const { ok, detail: says, askedAt } = tracer.state;
      const detail = askedAt === undefined ? says : PDS.lastAsked(says, iso(askedAt));
      const waiting = listWaitingFiles(anchor);
      const records = waiting.reduce(
        (sum, { acknowledgement }) => sum + (acknowledgement.held?.records ?? 0),
        0,
      );
      const since = waiting[0]?.at;
      return {
        name: 'tracing:pds',
        ok: ok && records === 0,
        detail: since === undefined ? detail : PDS.waiting(detail, records, waiting.length, since),
      };
    },
    takeUp,
    reverify,
    async stop() {
      stopping.abort();
      clearInterval(timer);
      await Promise.all([takingUp, reverifying]);
    },
  };
}
