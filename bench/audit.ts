import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { nhsNumberSchema } from '#schemas/nhs-number.ts';
import { sealedEvents, sealedRange } from '#service/audit/log/sealed.ts';
import { readKeys } from '#service/audit/seal/keys.ts';
import { LogWriter } from '#service/audit/seal/log-writer.ts';
import { createSealer } from '#service/audit/seal/sealer.ts';
import { followLog } from '#service/audit/search/index-file.ts';
import { searchAudit } from '#service/audit/search/search.ts';
import { splitBundle } from '#service/audit/tlog/bundle.ts';
import { makeSigner, parseSigner } from '#service/audit/tlog/note.ts';
import { verifyLog } from '#service/audit/verify/verify.ts';
import { createAuditStreams } from '#store/audit-stream/audit-stream.ts';
import { auditPartitions, keys } from '#store/keys.ts';
import { lookupEventOf } from '../tests/support/lookup-event.ts';
import { startTestStore } from '../tests/support/test-store.ts';
import type { Done, Order } from './generator.ts';
import { machine } from './machine.ts';
import { readOptions } from './options.ts';
import { median, root, startProcess } from './processes.ts';

/** `npm run bench:audit`: the promised speed and size of the sealed log, each figure beside its limit. */

const HELP = `npm run bench:audit -- [options]

  --events 500000      in the log that is verified
  --backlog 200000     events that wait in Redis for the sealer
  --per-second 5000    lookups while everything runs
  --seconds 20         for so long
  --runs 3             how often verification is measured; medians count
  --index              only the index of the log: how fast it is made, its size, searches in it
  --json`;

const LIMITS = { verifiedPerSecond: 200_000, bytesOverEvents: 1.2 };

const options = readOptions(HELP, {
  events: { type: 'string', default: '500000' },
  backlog: { type: 'string', default: '200000' },
  'per-second': { type: 'string', default: '5000' },
  seconds: { type: 'string', default: '20' },
  runs: { type: 'string', default: '3' },
  index: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
});
const say = (line: string): void => void (options.json || console.log(line));
const many = (count: number): string => Math.round(count).toLocaleString('en-GB');

const written = (i: number) =>
  lookupEventOf({
    auditId: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
    requestId: `00000000-0000-4000-9000-${String(i).padStart(12, '0')}`,
  });

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('sealing'))
    .map((entry) => join(entry.parentPath, entry.name));
}
const bytesOf = (files: readonly string[]): number =>
  files.reduce((sum, file) => sum + statSync(file).size, 0);

function eventBytes(folder: string): number {
  const bundles = filesIn(join(folder, 'tile', 'entries'));
  const { size } = sealedRange(folder) ?? { size: 0 };
  const wanted = bundles.filter((file) => !file.includes('.p/') || file.endsWith(`/${size % 256}`));
  let bytes = 0;
  for (const file of wanted) {
    for (const entry of splitBundle(readFileSync(file)) ?? []) bytes += entry.length;
  }
  return bytes;
}

/** Writes a log of this many events, sealed a second's worth at a time. */
function writeLog(folder: string, events: number, batch: number) {
  const signer = parseSigner(makeSigner('cp-flags/bench'));
  if (signer === undefined) throw new Error('not a key');
  const log = LogWriter.open({
    folder,
    dataset: 'bench',
    streams: auditPartitions.length,
    signers: () => [signer],
  });
  const numbers = Array<number>(256).fill(0);
  let tookMs = 0;
  for (let made = 0; made < events; made += batch) {
    const entries = Array.from({ length: Math.min(batch, events - made) }, (_, i) => {
      const stream = (made + i) % 256;
      const number = (numbers[stream] ?? 0) + 1;
      numbers[stream] = number;
      const at = Date.UTC(2026, 10, 24) + made + i;
      const outcome = 'not-flagged';
      const event = { partition: stream, number, at, outcome, ...written(made + i) };
      return { stream, number, entry: Buffer.from(JSON.stringify(event)) };
    });
    const began = performance.now();
    log.append(entries);
    tookMs += performance.now() - began;
  }
  log.close();
  return { keys: [signer.verifierKey], perSecond: (events / tookMs) * 1000 };
}

async function measureLog(folder: string) {
  const events = Number(options.events);
  const { keys: verifierKeys, perSecond: writtenPerSecond } = writeLog(folder, events, 5_000);
  const files = filesIn(folder);
  const verified: number[] = [];
  const digested: number[] = [];
  for (let run = 0; run < Number(options.runs); run++) {
    let began = performance.now();
    const { findings, to } = await verifyLog({ folder, keys: verifierKeys });
    verified.push((to / (performance.now() - began)) * 1000);
    if (findings.length > 0 || to !== events) throw new Error('the log does not verify');
    began = performance.now();
    const { status } = spawnSync('xargs', ['-d', '\n', 'sha256sum'], { input: files.join('\n') });
    digested.push((events / (performance.now() - began)) * 1000);
    if (status !== 0) throw new Error('sha256sum failed');
  }
  return {
    events,
    eventBytes: eventBytes(folder) / events,
    bytesOverEvents: bytesOf(files) / eventBytes(folder),
    writtenPerSecond,
    verifiedPerSecond: median(verified),
    sha256sumPerSecond: median(digested),
  };
}

/** How fast the index of a log is made, how large it is, and how long a page of a search takes. */
function measureIndex(folder: string) {
  const events = Number(options.events);
  writeLog(folder, events, 5_000);
  const indexFile = join(folder, 'index', 'index.sqlite');
  const follower = followLog(folder, indexFile);
  const began = performance.now();
  let longestStepMs = 0;
  for (let behind = events; behind > 0; ) {
    const stepBegan = performance.now();
    behind = follower.step(100)?.behind ?? behind;
    longestStepMs = Math.max(longestStepMs, performance.now() - stepBegan);
  }
  const tookMs = performance.now() - began;
  follower.close();
  const nhsNumber = nhsNumberSchema.parse('9990000018');
  const searches = [{ nhsNumber }, {}, { type: 'refusal' }, { outcome: 'refused' as const }];
  const searchMs = searches.map((criteria) => {
    const searchBegan = performance.now();
    searchAudit({ folder, indexFile }, criteria, { kind: 'all' }, { limit: 100 });
    return performance.now() - searchBegan;
  });
  return {
    events,
    indexedPerSecond: (events / tookMs) * 1000,
    bytesAnEvent: statSync(indexFile).size / events,
    longestStepMs,
    searchMs,
  };
}

/** How fast a backlog leaves Redis: reading, joining, hashing, the disk, trimming. */
async function measureBacklog(): Promise<number> {
  const store = await startTestStore({ kind: 'demo', maxmemoryMb: 2_048 });
  try {
    const backlog = Number(options.backlog);
    let pipeline = store.admin.pipeline();
    for (let i = 0; i < backlog; i++) {
      const event = JSON.stringify(written(i));
      const fields = ['event', event, 'at', String(Date.now()), 'outcome', 'not-flagged'];
      pipeline.xadd(keys.audit(i % 256), '0-*', ...fields);
      if (i % 1_000 === 999) {
        await pipeline.exec();
        pipeline = store.admin.pipeline();
      }
    }
    await pipeline.exec();
    const sealer = createSealer({
      folder: join(store.dataDir, 'audit'),
      keyFile: join(store.dataDir, 'audit-key'),
      retentionYears: 26,
      streams: createAuditStreams(await store.connect('worker')),
      dataset: () => store.anchor.dataset()?.id,
      warn: (message) => {
        throw new Error(message);
      },
    });
    const began = performance.now();
    for (;;) {
      const { more, sealing } = await sealer.step();
      if (sealing.problem) throw new Error(sealing.detail);
      if (!more && sealing.unsealed === 0) break;
    }
    const tookMs = performance.now() - began;
    sealer.close();
    return (backlog / tookMs) * 1000;
  } finally {
    await store.stop();
  }
}

/** Lookups at a steady rate over HTTP with service, Redis and sealer on this machine: whether the log keeps up. */
async function measureEverything() {
  const perSecond = Number(options['per-second']);
  const seconds = Number(options.seconds);
  const service = await startProcess('bench/service.ts', [], { until: /^service (.*)$/m });
  const { port, token, held, dataDir } = JSON.parse(service.said[1] ?? '') as {
    port: number;
    token: string;
    held: string[];
    dataDir: string;
  };
  const folder = join(dataDir, 'audit');
  try {
    const generator = fork(join(root, 'bench', 'generator.ts'));
    const order: Order = {
      port,
      token,
      held,
      requests: perSecond * seconds,
      connections: 64,
      perSecond,
    };
    generator.send(order);
    await once(generator, 'message');
    generator.send('go');
    const began = performance.now();
    const waiting: number[] = [];
    const status = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/_status`);
      return (await response.text()).includes('"audit-sealed":[{"status":"pass"');
    };
    let well = true;
    const watch = setInterval(() => {
      waiting.push(sealedRange(folder)?.size ?? 0);
      void status().then((is) => (well &&= is));
    }, 1_000);
    const [done] = (await once(generator, 'message')) as [Done];
    const tookMs = performance.now() - began;
    clearInterval(watch);
    // Waits for all of them, and for the events that are not lookups.
    const before = performance.now();
    while ((sealedRange(folder)?.size ?? 0) < done.answered) {
      if (performance.now() - before > 30_000) throw new Error('the log does not catch up');
      await pause(10);
    }
    const behindMs = performance.now() - before;
    let lookups = 0;
    for await (const { event } of sealedEvents(folder, 0)) if (event.type === 'lookup') lookups++;
    const signers = await readKeys(join(dataDir, 'audit-key'));
    const { findings } = await verifyLog({
      folder,
      keys: signers.map(({ verifierKey }) => verifierKey),
    });
    if (findings.length > 0) throw new Error(findings[0]?.detail);
    if (lookups !== done.answered) {
      throw new Error(`${done.answered} were answered, ${lookups} are in the log`);
    }
    return {
      answered: done.answered,
      refused: done.refused,
      perSecond: (done.answered / tookMs) * 1000,
      behindMs,
      well,
    };
  } finally {
    await service.stop();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'cpf-bench-audit-'));
try {
  const on = machine();
  say(`${on.processor}, ${on.system}, node ${on.node}, redis ${on.redis}`);
  if (options.index) {
    const index = measureIndex(folder);
    const [child, newest, rare, scan] = index.searchMs.map(Math.round);
    say(
      `index: ${many(index.indexedPerSecond)} events/s, ${index.bytesAnEvent.toFixed(0)} bytes an event, longest step ${Math.round(index.longestStepMs)} ms of 100`,
    );
    say(
      `a page of 100 of ${many(index.events)}: by child ${child} ms, the newest ${newest} ms, a rare type ${rare} ms, by outcome alone ${scan} ms`,
    );
    if (options.json) console.log(JSON.stringify({ on, index }, null, 2));
    process.exit(0);
  }
  const log = await measureLog(folder);
  say(
    `verification: ${many(log.verifiedPerSecond)} events/s (limit ${many(LIMITS.verifiedPerSecond)}), ${many(log.eventBytes)} bytes each; sha256sum of the same bytes: ${many(log.sha256sumPerSecond)} events/s`,
  );
  say(`size: ${log.bytesOverEvents.toFixed(3)} times its events (limit ${LIMITS.bytesOverEvents})`);
  say(`writing to the log, a second's worth at a time: ${many(log.writtenPerSecond)} events/s`);
  const sealedPerSecond = await measureBacklog();
  say(`sealing a backlog out of Redis: ${many(sealedPerSecond)} events/s`);
  const everything = await measureEverything();
  say(
    `everything at once: ${many(everything.perSecond)} lookups/s answered (${many(everything.answered)}, ${everything.refused} refused), every one sealed ${Math.round(everything.behindMs)} ms after the last`,
  );
  const met =
    log.verifiedPerSecond >= LIMITS.verifiedPerSecond &&
    log.bytesOverEvents <= LIMITS.bytesOverEvents &&
    sealedPerSecond >= Number(options['per-second']) &&
    everything.well;
  if (options.json) {
    console.log(
      JSON.stringify({ on, limits: LIMITS, log, sealedPerSecond, everything, met }, null, 2),
    );
  } else {
    say(met ? 'all limits met' : 'A LIMIT WAS MISSED');
  }
  process.exitCode = met ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
