import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { odsCodeSchema, shortTextSchema } from '#schemas/authority.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { holdingsText } from '../uploads/holdings.ts';
import { Failure, misused } from './failure.ts';
import { requireSameDataset, runningRedis, withStore } from './store.ts';

export type HoldingsOptions = { csv?: boolean; json?: boolean; out?: string; reason?: string };

/** Writes to a file whole or not at all, or to standard output, which is not ended. */
async function write(text: Readable, out: string | undefined): Promise<void> {
  if (out === undefined) return pipeline(text, process.stdout, { end: false });
  const temporary = `${out}.${randomUUID()}.tmp`;
  try {
    await pipeline(text, createWriteStream(temporary, { mode: 0o600, flags: 'wx', flush: true }));
    await rename(temporary, out);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** `cp-flags holdings`: everything held for one authority. Audited before the first row. */
export async function holdings(
  configuration: Configuration,
  codeText: string,
  { csv = false, json = false, out, reason }: HoldingsOptions,
): Promise<void> {
  if (csv && json) throw misused('Give --csv or --json, not both.');
  const code = odsCodeSchema.safeParse(codeText).data;
  if (code === undefined) throw misused('CODE must be an ODS code: 3 to 12 capitals and digits.');
  const why = reason === undefined ? undefined : shortTextSchema.safeParse(reason);
  if (why?.success === false) throw misused(`--reason ${why.error.issues[0]?.message}.`);
  const redis = await runningRedis(configuration);
  await withStore(configuration, redis, 'loader', async (store, anchor) => {
    await requireSameDataset(store, anchor);
    const authority = await store.authority(code);
    if (authority === undefined) throw new Failure(`Authority ${code} is not known here.`);
    await store.appendEvent({
      type: 'holdings-read',
      auditId: randomUUID(),
      authority: code,
      by: userInfo().username,
      ...(why?.data !== undefined && { reason: why.data }),
    });
    const text = holdingsText(authority, store.rowsOf(code), csv ? 'csv' : 'json');
    await write(Readable.from(text, { objectMode: false }), out);
  });
}
