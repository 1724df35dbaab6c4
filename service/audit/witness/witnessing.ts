// One file, since it is one conversation: each answer from a witness decides the next question.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WITNESSING } from '#schemas/wording/operations.ts';
import { type FileLock, lockFile } from '#store/files/sqlite.ts';
import { CommitFile } from '../log/commit.ts';
import {
  COSIGNED_CHECKPOINT,
  ResourceMissing,
  readCheckpointFile,
  readCosignedFile,
  replaceDurably,
  tilesOf,
} from '../log/log-folder.ts';
import { type Checkpoint, parseCheckpoint } from '../tlog/checkpoint.ts';
import { answeredCosignature, type Cosignature, cosignaturesOf } from '../tlog/cosignature.ts';
import type { Hash } from '../tlog/hash.ts';
import { splitNote } from '../tlog/note.ts';
import { extendsTree } from '../tlog/proof.ts';
import { createTree } from '../tlog/tree.ts';
import { addCheckpoint } from './add-checkpoint.ts';
import { contradictionProblem } from './contradictions.ts';
import type { Witness, Witnesses } from './witnesses-file.ts';

/** The state of the witnessing. */
export type Witnessing = {
  problem: boolean;
  detail: string;
  /** Every witness has been asked since the start, or there is no log to ask about. */
  asked: boolean;
  /** A witness's knowledge of the log contradicts what is here, and nobody has confirmed that. */
  contradicted: boolean;
  /** The newest checkpoint that enough witnesses have cosigned, and when they had, in milliseconds. */
  witnessed?: { size: number; at: number };
  witnesses: { name: string; cosigns: boolean }[];
};

type WitnessingOptions = {
  /** The log's folder. */
  folder: string;
  witnesses: Witnesses;
  tell: (witnessing: Witnessing) => void;
  /** Deadline of one request. Default 3,000. */
  deadlineMs?: number;
  /** How often to check for a new checkpoint. Default 1,000. */
  lookEveryMs?: number;
  /** How often a witness that did not cosign is asked again. Default 10,000. */
  retryMs?: number;
  /** After how long an unchanged newest checkpoint is cosigned again. Default 60,000. */
  renewMs?: number;
};

/** A checkpoint as it was signed. */
type Signed = Checkpoint & {
  note: string;
  /** What the signatures cover. */
  text: string;
};

type Outcome =
  | { kind: 'cosigned'; signed: Signed; cosignature: Cosignature }
  /** What the witness knows about a log that has `ours` entries here. */
  | { kind: 'contradicts'; size: number; ours: number }
  | { kind: 'failed'; why: string };

/** One of the witnesses, and its state. */
type Followed = {
  witness: Witness;
  asked: boolean;
  /** Whether it has said since the start how far the log had got. */
  compared: boolean;
  /** The size at which it knows the log, as far as it said. */
  known?: number;
  cosigned?: { text: string; size: number; at: number };
  renewAt: number;
  /** It contradicted the log when it was last asked. */
  contradicts: boolean;
  failing?: { since: string; why: string };
  /** A named person has answered for what it knows. */
  accepted: boolean;
};

const LOCK = 'sealing.witness-lock';
const ASKED_AT_MOST = 4;
/** Checkpoints for which a slower witness's cosignature may still arrive. */
const REMEMBERED_AT_MOST = 16;
/** Several renewals: a late one is no news. */
const WITNESSED_WITHIN_RENEWALS = 3;
const TOLD_EVERY_MS = 10_000;

function parseSigned(bytes: Buffer): Signed | undefined {
  const split = splitNote(bytes);
  const checkpoint = split.kind === 'note' ? parseCheckpoint(split.text) : undefined;
  if (split.kind !== 'note' || checkpoint === undefined) return undefined;
  return { ...checkpoint, note: bytes.toString('utf8'), text: split.text };
}

/** @throws {ResourceMissing} if the files do not lead from there to the checkpoint */
function proofFrom(folder: string, old: number, { size, root }: Checkpoint): Hash[] {
  if (old === 0 || old === size) return [];
  const tree = createTree(size, tilesOf(folder));
  const proof = tree.consistencyProof(old);
  // Damaged files here must not look like a witness that knows a different log.
  if (!extendsTree(proof, { size: old, root: tree.root(old) }, { size, root })) {
    throw new ResourceMissing(folder);
  }
  return proof;
}

/**
 * Asks witnesses to cosign a log's checkpoints, and records if one of them contradicts the log here. Reads
 * only the log's public files, so that nothing waits for it; each witness is asked separately, one request at
 * a time, each with a deadline.
 */
export function startWitnessing(options: WitnessingOptions) {
  const { folder, tell, deadlineMs = 3_000, lookEveryMs = 1_000 } = options;
  const { retryMs = 10_000, renewMs = 60_000 } = options;
  const { all, quorum, required } = options.witnesses;
  const stopping = new AbortController();
  const { signal } = stopping;
  const followed: Followed[] = all.map((witness) => ({
    witness,
    asked: false,
    compared: false,
    renewAt: 0,
    contradicts: false,
    accepted: false,
  }));
  const remembered = new Map<string, Map<string, Cosignature>>();
  let commits: CommitFile | undefined;
  let lock: FileLock | undefined;
  let kept = { size: -1, count: 0 };
  let witnessed: Witnessing['witnessed'];
  let wasRead = false;
  let toldInFolderAt = Number.NEGATIVE_INFINITY;
  let toldInFolder = '';

  const inQuorum = (cosignatures: Iterable<Cosignature>): Cosignature[] =>
    [...cosignatures].filter(({ by }) => quorum.some(({ text }) => text === by.text));

  function readNewest(): Signed | undefined {
    const bytes = readCheckpointFile(folder);
    const signed = bytes && parseSigned(bytes);
    if (signed !== undefined && !wasRead) readKept();
    return signed;
  }

  /** What an earlier process stored. */
  function readKept(): void {
    wasRead = true;
    const bytes = readCosignedFile(folder);
    const split = bytes && splitNote(bytes);
    const signed = bytes && parseSigned(bytes);
    if (split?.kind !== 'note' || signed === undefined) return;
    const found = cosignaturesOf(signed.text, split.signatures, quorum).cosignatures;
    kept = { size: signed.size, count: found.length };
    const times = found.map(({ at }) => Math.min(at, Date.now())).toSorted((a, b) => b - a);
    const at = times[required - 1];
    if (at !== undefined) witnessed = { size: signed.size, at };
  }

  async function submit(one: Followed, newest: Signed): Promise<Outcome> {
    const { url = '', key } = one.witness;
    let signed = newest;
    let old = Math.min(one.known ?? signed.size, signed.size);
    for (let asked = 0; asked < ASKED_AT_MOST; asked++) {
      const proof = proofFrom(folder, old, signed);
      const answer = await addCheckpoint({
        url,
        old: { size: old, proof },
        note: signed.note,
        deadlineMs,
        signal,
      });
      switch (answer.kind) {
        case 'failed':
          return { kind: 'failed', why: answer.fault };
        case 'cosigned': {
          const cosignature = answeredCosignature(signed.text, answer.body, key);
          if (cosignature === undefined) return { kind: 'failed', why: WITNESSING.noCosignature };
          one.known = signed.size;
          return { kind: 'cosigned', signed, cosignature };
        }
        case 'inconsistent':
          // Any log continues one without entries.
          if (old === 0) return { kind: 'failed', why: WITNESSING.unsettled };
          return { kind: 'contradicts', size: old, ours: signed.size };
        case 'knows': {
          const { size } = answer;
          if (size > signed.size) {
            // Another process may have sealed more meanwhile.
            const now = readNewest();
            if (now === undefined || now.size < size) {
              return { kind: 'contradicts', size, ours: now?.size ?? signed.size };
            }
            signed = now;
          } else if (size === old && old === signed.size) {
            // Some witnesses say in this way that they have another root at this size.
            return { kind: 'contradicts', size, ours: signed.size };
          }
          old = size;
          one.known = size;
        }
      }
    }
    return { kind: 'failed', why: WITNESSING.unsettled };
  }

  function remember({ note, text, size }: Signed, cosignature: Cosignature): void {
    const cosignatures = remembered.get(text) ?? new Map<string, Cosignature>();
    cosignatures.set(cosignature.by.text, cosignature);
    remembered.set(text, cosignatures);
    for (const oldest of remembered.keys()) {
      if (remembered.size <= REMEMBERED_AT_MOST) break;
      remembered.delete(oldest);
    }
    const count = inQuorum(cosignatures.values()).length;
    if (count >= required && size >= (witnessed?.size ?? 0)) witnessed = { size, at: Date.now() };
    const [now, before] = [Math.min(count, required), Math.min(kept.count, required)];
    const isNewer = size > kept.size || (size === kept.size && count >= kept.count);
    if (now < before || (now === before && !isNewer)) return;
    // Several workers may share the folder, for instance if one of them stands by.
    lock ??= lockFile(join(folder, LOCK));
    if (lock === undefined) return;
    const lines = [...cosignatures.values()].map(({ line }) => `${line}\n`);
    replaceDurably(folder, COSIGNED_CHECKPOINT, `${note}${lines.join('')}`);
    kept = { size, count };
  }

  function failed(one: Followed, why: string): void {
    one.failing = { since: one.failing?.since ?? new Date().toISOString(), why };
  }

  /** @returns how long until the next check, in milliseconds */
  async function visit(one: Followed): Promise<number> {
    const { key } = one.witness;
    try {
      const newest = readNewest();
      if (newest === undefined) return lookEveryMs;
      if (newest.text === one.cosigned?.text && performance.now() < one.renewAt) return lookEveryMs;
      const outcome = await submit(one, newest);
      if (signal.aborted) return 0;
      switch (outcome.kind) {
        case 'failed':
          failed(one, outcome.why);
          return retryMs;
        case 'contradicts': {
          const { size, ours } = outcome;
          failed(one, WITNESSING.contradicts);
          // A worker that was delayed while another took over ends by itself before it is asked again.
          const isNew = one.cosigned !== undefined && !one.contradicts;
          one.contradicts = true;
          if (isNew) return retryMs;
          const at = new Date().toISOString();
          commits ??= CommitFile.openIfThere(folder);
          const stands = commits?.noteContradiction(key.text, { name: key.name, size, ours, at });
          one.compared = true;
          one.accepted = stands === false;
          return retryMs;
        }
        case 'cosigned': {
          const { signed, cosignature } = outcome;
          remember(signed, cosignature);
          one.compared = true;
          one.accepted = false;
          one.contradicts = false;
          // What it knew is the beginning of what it has cosigned.
          commits ??= CommitFile.openIfThere(folder);
          commits?.withdrawContradictions(key.text, signed.size);
          one.cosigned = { text: signed.text, size: signed.size, at: Date.now() };
          one.renewAt = performance.now() + renewMs;
          delete one.failing;
          return lookEveryMs;
        }
      }
    } catch (error) {
      // A full disk, or missing files: no fault of the witness, and no statement about the log.
      const fault = (error as NodeJS.ErrnoException).code ?? WITNESSING.noProof;
      failed(one, fault);
      return retryMs;
    } finally {
      one.asked = true;
    }
  }

  function stateNow(): Witnessing {
    commits ??= CommitFile.openIfThere(folder);
    const problem = contradictionProblem(commits?.contradictions() ?? []);
    const willing = followed.filter(
      ({ witness, accepted }) => !accepted && quorum.some(({ text }) => text === witness.key.text),
    );
    const isOld =
      witnessed === undefined ||
      willing.length < required ||
      Math.abs(Date.now() - witnessed.at) > WITNESSED_WITHIN_RENEWALS * renewMs;
    const asked = followed.every((one) => one.asked);
    const of = quorum.length;
    const isLate = isOld && asked && readNewest() !== undefined;
    const sentences: string[] = [];
    if (problem !== undefined) sentences.push(problem);
    else if (!isOld) sentences.push(WITNESSING.witnessed(required, of));
    else if (!isLate) sentences.push(asked ? WITNESSING.noCheckpoint : WITNESSING.starting);
    else if (witnessed === undefined) sentences.push(WITNESSING.neverWitnessed(required, of));
    else {
      const since = new Date(witnessed.at).toISOString();
      sentences.push(WITNESSING.notWitnessed(required, of, since));
    }
    if (isLate && followed.every((one) => !one.compared)) sentences.push(WITNESSING.notCompared);
    for (const { witness, failing, accepted } of followed) {
      const { name } = witness.key;
      if (accepted) sentences.push(WITNESSING.accepted(name));
      else if (failing !== undefined && problem === undefined) {
        sentences.push(WITNESSING.failing(name, failing.since, failing.why));
      }
    }
    return {
      problem: problem !== undefined || isLate,
      detail: sentences.join(' '),
      asked,
      contradicted: problem !== undefined,
      ...(witnessed !== undefined && { witnessed }),
      witnesses: followed.map(({ witness, cosigned, failing }) => ({
        name: witness.key.name,
        cosigns: cosigned !== undefined && failing === undefined,
      })),
    };
  }

  /** For all readers, in the log's folder. */
  function tellInFolder({ problem, detail }: Witnessing): void {
    if (detail === toldInFolder && performance.now() < toldInFolderAt + TOLD_EVERY_MS) return;
    toldInFolder = detail;
    toldInFolderAt = performance.now();
    commits?.tellWitnessing({
      problem,
      detail,
      at: new Date().toISOString(),
      ...(witnessed !== undefined && {
        witnessed: { size: witnessed.size, at: new Date(witnessed.at).toISOString() },
      }),
      witnesses: followed.map(({ witness, cosigned }) => ({
        name: witness.key.name,
        ...(cosigned !== undefined && {
          size: cosigned.size,
          at: new Date(cosigned.at).toISOString(),
        }),
      })),
    });
  }

  function publish(): void {
    try {
      const state = stateNow();
      tellInFolder(state);
      tell(state);
    } catch {
      // The log's folder cannot be read at present: the sealing reports that.
    }
  }

  async function follow(one: Followed): Promise<void> {
    while (!signal.aborted) {
      const pauseMs = await visit(one);
      if (signal.aborted) return;
      publish();
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }
  const following = followed.map(follow);
  // While every witness is being waited for, too.
  const timer = setInterval(publish, TOLD_EVERY_MS);

  return {
    async stop(): Promise<void> {
      clearInterval(timer);
      stopping.abort();
      await Promise.all(following);
      commits?.close();
      lock?.close();
    },
  };
}
