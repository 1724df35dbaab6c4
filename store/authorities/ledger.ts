import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Authority, OdsCode } from '#schemas/authority.ts';
import { fileCodes } from '#schemas/uploads/acknowledgement.ts';
import { type OwnBreakers, ownBreakersSchema } from '#schemas/uploads/breakers.ts';
import { type ColumnMapping, columnMappingSchema } from '#schemas/uploads/columns.ts';
import { wholeNumber } from '../connection/reply.ts';
import { LockLost } from '../errors.ts';
import { FUNCTIONS } from '../functions/functions.ts';
import { keys } from '../keys.ts';
import type { AuthorityLock } from '../locks/authority-lock.ts';
import { authorityFields, knownField, parseAuthority } from './dataset.ts';

const ledgerSchema = z.object({
  sha256: z.string(),
  code: z.enum(fileCodes),
  /** The acknowledgement as JSON, to answer a repeat with; deflated, in base64, if it is long. */
  acknowledgement: z.string().optional(),
  deflated: z.string().optional(),
  held: z.string().optional(),
  at: z.number().optional(),
});

export type FileLedgerEntry = {
  sequence: number;
  sha256: string;
  code: z.infer<typeof ledgerSchema>['code'];
  acknowledgement: string;
  /** If part of the file is held: the held file's id. The answer is provisional and the number not used up. */
  held?: string;
  /** When it was received, milliseconds since 1970. */
  at?: number;
};

/** What a load changes about its authority; fields not given stay. */
type AuthorityChange = {
  dataAsOf?: string;
  officeHoursPhoneAsOf?: string;
  emergencyDutyTeamPhoneAsOf?: string;
  sequence?: number;
  rows?: number;
  digest?: string;
  reconciled?: boolean;
  /** Plans in force when the authority was last reconciled. */
  inForce?: number;
  /** Sizes of the last loads, newest last. */
  recent?: readonly LoadSize[];
  /** Files numbered up to here are no longer accepted. */
  closed?: number;
  sequenceOffset?: number;
  numberedAfter?: string;
  breakers?: OwnBreakers;
  /** What is on record already. A file that is continued from its beginning does not record it again. */
  recorded?: string;
};

type FinishedFile = AuthorityChange & { ledger: FileLedgerEntry };

const loadSizeSchema = z.object({ rows: z.number(), added: z.number() });
export type LoadSize = z.infer<typeof loadSizeSchema>;

/** What a loader must know of an authority before it decides on a file. Sequences include the offset. */
export type IntakeState = {
  /** `undefined` if it is not known here. */
  authority: Authority | undefined;
  sequenceOffset: number;
  /** If numbering restarted: no file made up to then belongs to the new numbering. ISO 8601. */
  numberedAfter: string | undefined;
  /** Files numbered up to here are no longer accepted; -1 if all are. */
  closed: number;
  inForce: number | undefined;
  /** The same as in a change. */
  recorded: string | undefined;
  recent: readonly LoadSize[];
  breakers: OwnBreakers;
  /** What its case system calls its columns and plans. */
  columns: ColumnMapping;
};

/** More than a year of nightly files. */
const LEDGER_KEEPS = 400;
const DEFLATE_FROM_LENGTH = 1_024;

function packLedger({ sha256, code, held, at, acknowledgement }: FileLedgerEntry): string {
  const entry = { sha256, code, held, at };
  return JSON.stringify(
    acknowledgement.length < DEFLATE_FROM_LENGTH
      ? { ...entry, acknowledgement }
      : { ...entry, deflated: deflateRawSync(acknowledgement).toString('base64') },
  );
}

function unpackLedger(sequence: number, text: string): FileLedgerEntry {
  const { acknowledgement, deflated, held, at, ...entry } = ledgerSchema.parse(JSON.parse(text));
  return {
    sequence,
    ...entry,
    acknowledgement:
      acknowledgement ?? inflateRawSync(Buffer.from(deflated ?? '', 'base64')).toString(),
    ...(held !== undefined && { held }),
    ...(at !== undefined && { at }),
  };
}

/** What loaders keep about an authority: what it sent last, how much it holds, and its ledger of files. */
export function createLedger(redis: Redis) {
  async function changeAuthority(
    lock: AuthorityLock,
    change: AuthorityChange,
    ledger?: FileLedgerEntry | { sequence: number; strike: true },
  ): Promise<void> {
    const written = await redis.fcall(
      FUNCTIONS.changeAuthority,
      3,
      keys.lock(lock.authority),
      keys.authority(lock.authority),
      keys.files(lock.authority),
      lock.token,
      LEDGER_KEEPS,
      ledger === undefined ? '' : String(ledger.sequence),
      ledger === undefined || 'strike' in ledger ? '' : packLedger(ledger),
      ...Object.entries(authorityFields(change)).flat(),
    );
    if (written !== 1) throw new LockLost(lock.authority);
  }

  return {
    async fileOf(code: OdsCode, sequence: number): Promise<FileLedgerEntry | undefined> {
      const entry = await redis.hget(keys.files(code), String(sequence));
      return entry === null ? undefined : unpackLedger(sequence, entry);
    },

    /** When each file of an authority's ledger was received, milliseconds since 1970. */
    async filesReceived(code: OdsCode): Promise<{ sequence: number; at: number | undefined }[]> {
      const entries = Object.entries(await redis.hgetall(keys.files(code)));
      return entries.map(([sequence, entry]) => ({
        sequence: Number(sequence),
        at: ledgerSchema.parse(JSON.parse(entry)).at,
      }));
    },

    /** What a loader must know of an authority before it decides on a file. */
    async intakeState(code: OdsCode): Promise<IntakeState> {
      const [known, fields] = await Promise.all([
        redis.hexists(keys.dataset, knownField(code)),
        redis.hgetall(keys.authority(code)),
      ]);
      return {
        authority: known === 1 ? parseAuthority(code, fields) : undefined,
        sequenceOffset: wholeNumber(fields['sequenceOffset']) ?? 0,
        numberedAfter: fields['numberedAfter'],
        closed: wholeNumber(fields['closed']) ?? -1,
        inForce: wholeNumber(fields['inForce']),
        recorded: fields['recorded'],
        recent: z.array(loadSizeSchema).parse(JSON.parse(fields['recent'] ?? '[]')),
        breakers: ownBreakersSchema.parse(JSON.parse(fields['breakers'] ?? '{}')),
        columns: columnMappingSchema.parse(JSON.parse(fields['columns'] ?? '{}')),
      };
    },

    /**
     * Changes what is known of the locked authority and adds a file to its ledger, or removes one, in one
     * step. The ledger keeps the newest 400 files; a number that leaves it is closed.
     *
     * @throws {LockLost} and then nothing was written.
     */
    changeAuthority,

    /**
     * Adds a file to the ledger with what the authority now holds; see `changeAuthority`.
     *
     * @throws {LockLost} and then nothing was written.
     */
    finishFile: (lock: AuthorityLock, { ledger, ...change }: FinishedFile): Promise<void> =>
      changeAuthority(lock, change, ledger),
  };
}
