import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import type { OperatorEvent } from '#schemas/audit/audit-event.ts';
import { parseJson } from '#schemas/json.ts';
import { writePrivate } from '../../files/private-file.ts';
import { errorFields, type Log } from '../../telemetry/log.ts';
import { KeyFileWrong, readKeys, retiredKeysOf } from '../seal/keys.ts';
import { keyName, verifyProof } from '../verify/verify-proof.ts';
import { readWitnesses } from '../witness/witnesses-file.ts';
import type { VerificationMessage, VerificationOrder } from './verification-thread.ts';

const FINDINGS_KEPT = 100;

const resultSchema = z.object({
  /** ISO 8601: when it ended. */
  at: z.iso.datetime(),
  by: z.string(),
  /** Entries that the checkpoint covered. */
  size: z.int(),
  whole: z.boolean(),
  /** Whether it was compared with what was verified before. */
  continues: z.boolean(),
  findings: z.array(z.string()),
  /** All of them, listed or not. */
  found: z.int(),
  explained: z.array(z.string()),
  /** Up to which entry others have cosigned, and who. */
  witnessed: z.object({ size: z.int(), by: z.array(z.string()) }).optional(),
  /** The last checkpoint with which the log was whole. */
  checkpoint: z.string().optional(),
});
/** The result of a verification of the whole log. */
type VerificationResult = z.infer<typeof resultSchema>;

export type VerificationState = {
  running?: { by: string; read: number; of: number };
  /** When one could not be finished, after the last that was; ISO 8601. */
  failedAt?: string;
  last?: VerificationResult;
};

/** `several`: it is not known which of several events with the audit id is meant. */
type MadeProof = Exclude<VerificationMessage, { kind: 'progress' | 'verified' }>;

export type Verifications = {
  state(): VerificationState;
  /** False if one is running already. */
  start(by: string, account: string | undefined): boolean;
  /**
   * A proof that an event is in the log.
   *
   * @param entry its position in the log: without it, nothing is proven if several events have the audit id
   */
  prove(auditId: string, entry?: number): Promise<MadeProof>;
  /**
   * Checks a proof with the keys of this log, retired ones too.
   *
   * @throws {KeyFileWrong} if the keys, or those of the witnesses, cannot be read
   */
  check(proof: Buffer): Promise<CheckedProof>;
  stop(): Promise<void>;
};

/** What a proof shows, and what is known here about those who signed it. */
export type CheckedProof = {
  verified: ReturnType<typeof verifyProof>;
  /** When each retired key stopped signing, ISO 8601, by its name. */
  retired: ReadonlyMap<string, string>;
  /** How many witnesses were looked for. */
  witnesses: number;
};

/** Longer than the largest log takes to read. */
const PROOF_DEADLINE_MS = 30_000;
const MEMORY_MIB = 512;

type VerificationsDependencies = {
  folder: string;
  keyFile: string;
  /** File of the witnesses that must have cosigned, if there are any. */
  witnessesFile: string | undefined;
  /** Where the last result is kept. */
  resultFile: string;
  record: (event: OperatorEvent) => Promise<void>;
  log: Log;
};

/** An unreadable file counts as none: the next verification makes it again. */
async function readResult(path: string): Promise<VerificationResult | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return resultSchema.safeParse(parseJson(text)).data;
}

/**
 * Verifies the whole log when somebody asks for it, as `cp-flags audit verify` does, in its own thread and
 * one at a time. The result is stored and recorded.
 */
export async function openVerifications({
  folder,
  keyFile,
  witnessesFile,
  resultFile,
  record,
  log,
}: VerificationsDependencies): Promise<Verifications> {
  let state: VerificationState = {};
  const last = await readResult(resultFile);
  if (last !== undefined) state = { last };
  const threads = new Set<Worker>();
  let ending: Promise<unknown> = Promise.resolve();

  function run(order: VerificationOrder, onMessage: (message: VerificationMessage) => void) {
    const thread = new Worker(new URL('./verification-thread.ts', import.meta.url), {
      workerData: order,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
    });
    threads.add(thread);
    thread.on('message', onMessage);
    const ended = new Promise<void>((resolve) => {
      thread.once('error', (error) =>
        log.error('The audit could not be verified.', errorFields(error)),
      );
      thread.once('exit', () => {
        threads.delete(thread);
        resolve();
      });
    });
    return { thread, ended };
  }

  /** Records that it was made, and stores its result. */
  async function keep(
    by: string,
    account: string | undefined,
    before: string | undefined,
    { verification, checkpoint }: Extract<VerificationMessage, { kind: 'verified' }>,
  ): Promise<VerificationResult> {
    const { findings, more, explained, size, unusable, witnessed } = verification;
    const whole = findings.length === 0;
    const known = whole ? checkpoint : before;
    const result: VerificationResult = {
      at: new Date().toISOString(),
      by,
      size,
      whole,
      continues: before !== undefined && unusable.length === 0,
      findings: findings.slice(0, FINDINGS_KEPT).map(({ detail }) => detail),
      found: findings.length + more,
      explained: explained.slice(0, FINDINGS_KEPT).map(({ detail }) => detail),
      ...(witnessed && {
        witnessed: { size: witnessed.size, by: witnessed.by.map(({ name }) => name) },
      }),
      ...(known !== undefined && { checkpoint: known }),
    };
    const detail = {
      outcome: whole ? 'whole' : 'not-whole',
      entries: size,
      findings: result.found,
      ...(account !== undefined && { account }),
    };
    await record({ type: 'audit-verified', auditId: randomUUID(), by, detail });
    await writePrivate(resultFile, JSON.stringify(result));
    return result;
  }

  /** It runs until it is recorded: the end of one must not be taken for that of the next. */
  async function conclude(
    verified: Promise<VerificationResult | undefined>,
    previous: VerificationResult | undefined,
  ): Promise<void> {
    const result = await verified;
    const last = result ?? previous;
    const failedAt = result === undefined ? new Date().toISOString() : undefined;
    state = { ...(last && { last }), ...(failedAt && { failedAt }) };
  }

  return {
    state: () => state,
    start(by, account) {
      if (state.running !== undefined) return false;
      const { last: previous } = state;
      let kept: Promise<VerificationResult | undefined> | undefined;
      // Before it counts as running, since a thread may not begin at all.
      const { ended } = run(
        { kind: 'verify', folder, keyFile, old: previous?.checkpoint, witnessesFile },
        (message) => {
          if (message.kind === 'progress') {
            state = { ...state, running: { by, read: message.read, of: message.of } };
          } else if (message.kind === 'verified') {
            // Caught here, since its thread may end after it has failed.
            kept = keep(by, account, previous?.checkpoint, message).catch((error: unknown) => {
              log.error('The result of a verification could not be recorded.', errorFields(error));
              return undefined;
            });
          }
        },
      );
      state = { ...(previous && { last: previous }), running: { by, read: 0, of: 0 } };
      ending = conclude(
        ended.then(() => kept),
        previous,
      );
      return true;
    },
    async prove(auditId, entry) {
      let made: MadeProof | undefined;
      const order = { kind: 'prove', folder, keyFile, auditId, entry } as const;
      const { thread, ended } = run(order, (message) => {
        if (message.kind !== 'progress' && message.kind !== 'verified') made = message;
      });
      const timer = setTimeout(() => void thread?.terminate(), PROOF_DEADLINE_MS);
      await ended;
      clearTimeout(timer);
      if (made === undefined) throw new Error('a proof could not be made');
      return made;
    },
    async check(proof) {
      const keys = (await readKeys(keyFile)).map(({ verifierKey }) => verifierKey);
      const retired = retiredKeysOf(keyFile);
      const read = witnessesFile === undefined ? undefined : readWitnesses(witnessesFile, 'verify');
      if (read?.kind === 'wrong') throw new KeyFileWrong(read.detail);
      const witnesses = read?.witnesses.all.map(({ key }) => key) ?? [];
      const all = [...keys, ...retired.map(({ verifierKey }) => verifierKey)];
      return {
        verified: verifyProof(proof, all, witnesses),
        retired: new Map(
          retired.map(({ verifierKey, retiredAt }) => [keyName(verifierKey), retiredAt]),
        ),
        witnesses: witnesses.length,
      };
    },
    async stop() {
      await Promise.all([...threads].map((thread) => thread.terminate()));
      await ending;
    },
  };
}
