import { hash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, expect } from 'vitest';
import { type ReadUpload, readUpload } from '#loaders/check/read.ts';
import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import { SourceBytes } from '#loaders/formats/common/source.ts';
import { type CsvMetadata, type LoadOptions, loadFile } from '#loaders/load/load.ts';
import { Spool } from '#loaders/spool/spool.ts';
import { type OdsCode, odsCodeSchema } from '#schemas/authority.ts';
import type { SpooledRow } from '#schemas/plans/row.ts';
import type { Acknowledgement, EchoedRecord } from '#schemas/uploads/acknowledgement.ts';
import type { ColumnMapping } from '#schemas/uploads/columns.ts';
import { keys } from '#store/keys.ts';
import { DURABILITY_FIELD } from '#store/trust/durability.ts';
import { testNumber } from './rows.ts';
import { startTestStore, type TestStore, until } from './test-store.ts';
import { fileXml, type ModelRecord, planOf, RECEIVED_AT, upload } from './upload-model.ts';

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'cpf-loads-'));
}

/** Bytes in pieces of a given size, as a network would deliver them. */
function inPieces(bytes: Buffer | string, size = 1000): Readable {
  const whole = Buffer.from(bytes);
  return Readable.from(
    (function* () {
      for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
    })(),
    { objectMode: false },
  );
}

/** What is known about a CSV from outside the file. */
export function metadata(rowCount: number, differing: CsvMetadata = {}): CsvMetadata {
  return {
    authority: 'ZZ101',
    sequence: 1,
    createdAt: '2026-11-23T21:30:00Z',
    rowCount,
    ...differing,
  };
}

/** Reads a file without a store, and returns its spooled rows in the order of their identities. */
export async function read(
  bytes: Buffer | string,
  options: {
    name?: string;
    metadata?: CsvMetadata;
    maxBytes?: number;
    pieces?: number;
    authority?: OdsCode;
    columns?: ColumnMapping;
    tracer?: NumberTracer;
    echoTo?: string[];
  } = {},
): Promise<ReadUpload & { rows: SpooledRow[]; perRecord: number[]; echoes: EchoedRecord[] }> {
  const spoolDir = temporaryFolder();
  const spool = Spool.create(spoolDir);
  try {
    const source = {
      name: options.name ?? 'upload',
      stream: inPieces(bytes, options.pieces),
    };
    const result = await readUpload(
      new SourceBytes(source, options.maxBytes ?? 1_000_000),
      source,
      {
        receivedAt: RECEIVED_AT,
        metadata: options.metadata ?? {},
        authority: options.authority,
        mappingOf: () => options.columns,
        tracer: options.tracer,
        echoTo: options.echoTo,
      },
      spool,
    );
    const { authority = ods('ZZ101'), sequence = 1 } = result.header;
    const { birthDatesInDoubt } = result;
    const records = [...spool.records({ authority, sequence, birthDatesInDoubt })];
    const identity = (row: SpooledRow): string => `${row.nhsNumber} ${row.type} ${row.startDate}`;
    return {
      ...result,
      rows: records
        .flatMap(({ rows }) => rows.map(({ row }) => row))
        .toSorted((one, other) => identity(one).localeCompare(identity(other))),
      echoes: spool.echoes(Array.from({ length: result.records }, (_, n) => n + 1)),
      perRecord: records.map(({ rows }) => rows.length),
    };
  } finally {
    spool.remove();
    rmSync(spoolDir, { recursive: true });
  }
}

/** Loads text into a test's store as an operator would. */
export function loader(t: Pick<TestStore, 'store' | 'anchor' | 'dataDir'>) {
  const spoolDir = join(t.dataDir, 'spool');
  return {
    spoolDir,
    load: (
      bytes: Buffer | string,
      options: Partial<LoadOptions> & {
        name?: string;
        store?: TestStore['store'];
        anchor?: TestStore['anchor'];
      } = {},
    ): Promise<Acknowledgement> => {
      const { name = 'upload', store = t.store, anchor = t.anchor, ...rest } = options;
      return loadFile(
        store,
        anchor,
        { name, stream: inPieces(bytes) },
        {
          spoolDir,
          addAuthority: true,
          by: 'test',
          now: () => RECEIVED_AT,
          lockWaitMs: 500,
          ...rest,
        },
      );
    },
    spools: (): string[] => {
      try {
        return readdirSync(spoolDir);
      } catch {
        return [];
      }
    },
  };
}

/** Everything that a dry run must leave unchanged, which excludes the store verifier's own signs of life. */
async function everythingIn(t: TestStore): Promise<Record<string, unknown>> {
  const kept = (await t.admin.keys('*')).filter(
    (name) => !name.endsWith(':lock') && name !== 'cpf:heartbeat',
  );
  const digests = await Promise.all(
    kept.toSorted().map(async (name) => {
      if (name === keys.dataset) {
        // The worker that keeps the store reports this every second, and fields come in any order.
        const { [DURABILITY_FIELD]: _, ...dataset } = await t.admin.hgetall(name);
        return [name, Object.entries(dataset).map(String).toSorted().join()] as const;
      }
      const dump = (await t.admin.dumpBuffer(name)) ?? '';
      return [name, hash('sha256', dump).slice(0, 12)] as const;
    }),
  );
  return {
    ...Object.fromEntries(digests),
    authorities: [...t.anchor.authorities()],
    loads: t.anchor.loadsInProgress(),
    holds: t.anchor.heldFiles(),
    spools: loader(t).spools(),
  };
}

/** A store for the tests in one file, and a loader into it. Each test has its own authority, and so its own ledger. */
export async function startLoading() {
  const t = await startTestStore({ kind: 'demo' });
  afterAll(() => t.stop());
  let last = 100;
  function newAuthority(): OdsCode {
    last += 1;
    return ods(`ZZ${last}`);
  }
  const l = loader(t);
  return {
    t,
    l,
    newAuthority,
    /** Loads a file of an authority. Unless told otherwise it contains the authority's first plan. */
    loadRecords: (
      authority: OdsCode,
      sequence: number,
      records: ModelRecord[] = [planOf(1)],
      options: Parameters<typeof l.load>[1] & { createdAt?: string } = {},
    ) => {
      const { createdAt = '202611232130+0000', ...rest } = options;
      return l.load(fileXml(upload({ authority, sequence, records, createdAt })), rest);
    },
    rowsOf: async (authority: string, ...people: number[]) =>
      [...(await t.store.readRows(people.map(testNumber))).values()]
        .flat()
        .filter((row) => row.authority === authority),
    events: () => t.adminStore.readEvents('system'),
    everything: () => everythingIn(t),
    /** Asks what a restart of Redis asks: does everything held for an authority agree with the anchor? */
    async expectWhole(authority: OdsCode): Promise<void> {
      const tally = (await t.store.tally()).get(authority);
      expect(t.anchor.authority(authority)).toMatchObject({
        rows: tally?.rows ?? 0,
        ...(tally !== undefined && { digest: tally.digest }),
      });
      expect(t.anchor.loadInProgress(authority)).toBeUndefined();
    },
    /** Makes the store verifier compare everything, as after a restart of Redis. */
    async expectOpensAgain(): Promise<void> {
      await t.admin.del(keys.open);
      await until(() => t.store.isOpen(), 'the store to open after a comparison of all it holds');
    },
  };
}

export const ods = (code: string): OdsCode => odsCodeSchema.parse(code);
