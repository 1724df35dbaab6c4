import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import type { Authority } from '#schemas/authority.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { NO_MAPPING } from '#schemas/uploads/columns.ts';
import { LOAD_FAILED } from '#schemas/wording/loads.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import type { AdmittedAuthority } from '#service/uploads/guarded-authority.ts';
import { createHoldingsReader } from '#service/uploads/holdings.ts';
import { type ComparingDependencies, compareExport } from '#service/uploads/reconcile.ts';
import { AUTHORITY, testNumber, testRow } from '../../support/rows.ts';

/** A store that is found not to be whole, or is on another server, while somebody is given what it holds. */

const folder = mkdtempSync(join(tmpdir(), 'cpf-closed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const admitted = {
  ids: {},
  authority: AUTHORITY,
  caller: { identity: { name: 'A Person', role: { organisation: {} } } },
} as unknown as AdmittedAuthority;
const council = { code: AUTHORITY, name: 'A Council', rows: 1 } as Authority;
const EXPORT = `nhs_number,local_id,date_of_birth,given_name,family_name,plan_type,start_date,end_date,delete_date
${testNumber(1)},L1,2019-03-05,A,B,child-protection-plan,2026-03-01,,
`;

type Becomes = { open: boolean; run: string };
const CLOSED: Becomes = { open: false, run: 'one' };
const ELSEWHERE: Becomes = { open: true, run: 'two' };

/** The readiness of a store, and its rows; it changes while these are read. */
function storeThat(becomes: Becomes) {
  const readiness = { open: true, run: 'one' };
  const change = (): void => void Object.assign(readiness, becomes);
  const store = {
    authority: () => Promise.resolve(council),
    intakeState: () => Promise.resolve({ columns: NO_MAPPING }),
    appendEvent: () => Promise.resolve(),
    async *rowsOf(): AsyncGenerator<PlanRow[]> {
      yield [testRow(testNumber(1))];
      change();
    },
  };
  return { readiness, change, store };
}

/** Compares an export; the store changes while it arrives, or while what is held is read. */
function compareWhile(moment: 'arriving' | 'reading', becomes: Becomes) {
  const { readiness, change, store } = storeThat(becomes);
  const stream = Readable.from(
    (function* () {
      if (moment === 'arriving') change();
      yield Buffer.from(EXPORT);
    })(),
    { objectMode: false },
  );
  const dependencies = {
    store,
    readiness,
    loads: { spoolDir: folder, maxBytes: 1_000_000 },
  } as unknown as ComparingDependencies;
  return compareExport(dependencies, admitted, council, { name: 'a.csv', stream }, 'http');
}

test.each([
  ['arriving', CLOSED],
  ['reading', CLOSED],
  ['reading', ELSEWHERE],
] as const)(
  'no comparison is given if, while %s, the store becomes %j',
  async (during, becomes) => {
    await expect(compareWhile(during, becomes)).rejects.toThrow(LOAD_FAILED.closedMeanwhile);
  },
);

test('an export is compared with a server that was found whole while it arrived', async () => {
  expect(await compareWhile('arriving', ELSEWHERE)).toMatchObject({ compared: true });
});

test.each([CLOSED, ELSEWHERE])('holdings break off if the store becomes %j', async (becomes) => {
  const { readiness, store } = storeThat(becomes);
  const read = createHoldingsReader({
    readiness,
    log: createLog('silent'),
    store,
  });
  let isDestroyed = false;
  const destroy = () => void (isDestroyed = true);
  const outgoing = Object.assign(new EventEmitter(), { destroy }) as unknown as ServerResponse;
  const text = await read(admitted, 'json', outgoing);
  expect(text).toBeInstanceOf(ReadableStream);
  expect(await new Response(text as ReadableStream).text()).not.toContain('"count"');
  expect(isDestroyed).toBe(true);
});
