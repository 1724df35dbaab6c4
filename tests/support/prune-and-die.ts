/** Seals what waits in the store, prunes the log and its second copy, and brings the search index up to date. A test kills it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCommits } from '#service/audit/copy/commits.ts';
import { folderPlace } from '#service/audit/copy/folder-place.ts';
import { CommitFile } from '#service/audit/log/commit.ts';
import { createSealer } from '#service/audit/seal/sealer.ts';
import { followLog } from '#service/audit/search/index-file.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { connectStore, type StoreAddress, whenReady } from '#store/connection/connection.ts';
import { WAIT_MS } from './until.ts';

/** A fault that passes, such as the lock of a killed process, may cost some steps. */
const STEPS_AT_MOST = 60;
const QUIET_STEPS = 4;
const INDEXED_A_STEP_MS = 1_000;

const [dataDir = '', dataset = '', retentionYears = ''] = process.argv.slice(2);
const folder = join(dataDir, 'audit');
const redis = connectStore(JSON.parse(readFileSync(0, 'utf8')) as StoreAddress, {
  name: 'prune-and-die',
  commandTimeoutMs: WAIT_MS,
});
await whenReady(redis, WAIT_MS);
const sealer = createSealer({
  folder,
  keyFile: join(dataDir, 'audit-key'),
  retentionYears: Number(retentionYears),
  streams: createAuditStreams(redis),
  dataset: () => dataset,
  copy: {
    commits: createCommits(folderPlace(join(dataDir, 'copy'), WAIT_MS)),
    epoch: 1,
    token: '',
  },
  warn: () => undefined,
});
let told = '';
let start = -1;
for (let step = 0, quiet = 0; quiet < QUIET_STEPS && step < STEPS_AT_MOST; step++) {
  const { sealing } = await sealer.step();
  const { minimumIndex = 0 } = CommitFile.readIfThere(folder) ?? {};
  const isQuiet = !sealing.problem && sealing.unsealed === 0 && minimumIndex === start;
  quiet = isQuiet ? quiet + 1 : 0;
  start = minimumIndex;
  told = sealing.detail;
}
sealer.close();
const index = followLog(folder, join(dataDir, 'index'));
let behind: number | undefined;
for (let step = 0; behind !== 0 && step < STEPS_AT_MOST; step++) {
  behind = index.step(INDEXED_A_STEP_MS)?.behind;
}
index.close();
redis.disconnect();
console.log(JSON.stringify({ told, start, behind }));
