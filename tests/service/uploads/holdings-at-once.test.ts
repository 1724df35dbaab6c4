import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Authority } from '#schemas/authority.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import type { AdmittedAuthority } from '#service/uploads/guarded-authority.ts';
import { createHoldingsReader } from '#service/uploads/holdings.ts';
import { ods } from '../../support/upload-loading.ts';

/** A user of an authority whose client never reads the answer, as the reader of holdings sees them. */
const of = (code: string): AdmittedAuthority =>
  ({
    ids: {},
    authority: ods(code),
    caller: { identity: { name: 'A Person', role: { organisation: {} } } },
  }) as unknown as AdmittedAuthority;

test('no authority keeps others from reading their holdings by reading its own slowly', async () => {
  const read = createHoldingsReader({
    readiness: { open: true, run: 'a run' },
    log: createLog('silent'),
    store: {
      authority: async (code) => {
        await turn();
        return { code, name: 'A Council', rows: 1 } as Authority;
      },
      appendEvent: () => Promise.resolve({} as never),
      rowsOf: async function* () {
        await new Promise(() => undefined);
        yield [];
      },
    },
  });
  const ask = (code: string) => read(of(code), 'csv', new EventEmitter() as ServerResponse);
  const theirs = await Promise.all(Array.from({ length: 6 }, () => ask('ZZ101')));
  expect(theirs.filter((each) => typeof each !== 'string')).toHaveLength(2);
  expect(await ask('ZZ102')).toBeInstanceOf(ReadableStream);
});
