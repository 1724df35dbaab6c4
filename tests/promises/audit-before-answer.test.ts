import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lookupAnswerSchema } from '#schemas/lookup.ts';
import { testNumber } from '../support/rows.ts';
import { startTestService, type TestService, until } from '../support/service.ts';
import { untilAnswered } from '../support/until.ts';

/** No answer is sent before its audit event is on disk. */

const HELD = Array.from({ length: 20 }, (_, i) => testNumber(i));
const NOT_HELD = Array.from({ length: 80 }, (_, i) => testNumber(1_000 + i));

let service: TestService;

beforeAll(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ1', rows: HELD.map((nhsNumber) => ({ nhsNumber })) }],
    // A slow machine takes on an eighth as many lookups at once, and here a hundred arrive together.
    environment: { LOOKUPS_AT_ONCE: '1000' },
  });
});

afterAll(() => service.stopAndRemove());

test('under concurrent load, there is one audit event for each answer received', async () => {
  const token = await service.token();
  const numbers = [...HELD, ...NOT_HELD];
  const asked = Array.from({ length: 3_000 }, (_, i) => numbers[i % numbers.length] ?? '');
  /** Requests answered could-not-check. Their events may have been recorded before the answer was withheld. */
  const refused = new Set<string>();
  const received: { auditId: string; requestId: string; nhsNumber: string; outcome: string }[] = [];
  const queue = asked.values();
  await Promise.all(
    Array.from({ length: 100 }, async () => {
      for (const nhsNumber of queue) {
        let requestId = '';
        const response = await untilAnswered(async () => {
          requestId = randomUUID();
          const headers = { 'x-request-id': requestId };
          const answer = await service.lookup({ nhsNumber }, { token, headers });
          if (answer.status === 503) refused.add(requestId);
          return answer;
        });
        expect(response.headers.get('x-request-id')).toBe(requestId);
        const { auditId, outcome } = lookupAnswerSchema.parse(await response.json());
        received.push({ auditId, requestId, nhsNumber, outcome });
      }
    }),
  );
  const recorded = (await service.events()).flatMap((event) =>
    event.type === 'lookup' && !refused.has(event.requestId ?? '')
      ? [
          {
            auditId: event.auditId,
            requestId: event.requestId,
            nhsNumber: event.nhsNumber,
            outcome: event.outcome,
          },
        ]
      : [],
  );
  const inOrder = <T extends { auditId: string }>(events: T[]): T[] =>
    events.toSorted((a, b) => a.auditId.localeCompare(b.auditId));
  expect(received.length).toBe(asked.length);
  expect(inOrder(recorded)).toEqual(inOrder(received));
});

test('the event is written and synced to disk before the answer is sent, as the kernel sees it', async ({
  skip,
}) => {
  if (spawnSync('strace', ['-V']).status !== 0) skip('strace is not installed');
  const info = await service.admin.info('server');
  const pid = /process_id:([0-9]+)/.exec(info)?.[1] ?? '';
  const log = join(service.dataDir, 'strace.log');
  const calls = 'trace=write,writev,sendto,fdatasync,fsync';
  // Only the thread that writes, syncs and answers, so that no call of another comes between two halves of a line.
  const strace = spawn('strace', ['-y', '-s', '8192', '-e', calls, '-o', log, '-p', pid]);
  let said = '';
  strace.stderr.on('data', (text: Buffer) => (said += text.toString()));
  await until(() => {
    if (/not permitted/i.test(said)) skip('strace may not look at processes here');
    return /attached/.test(said);
  }, 'strace to attach');

  const response = await service.answered({ nhsNumber: HELD[0] });
  const { auditId } = lookupAnswerSchema.parse(await response.json());
  // It writes its log only when told to stop, and it saw the reply before this test did.
  strace.kill('SIGINT');
  await once(strace, 'exit');

  const lines = (await readFile(log, 'utf8')).split('\n');
  const written = lines.findIndex((line) => line.includes('.aof>') && line.includes(auditId));
  const synced = lines.findIndex((line, i) => i > written && /fdatasync|fsync/.test(line));
  const replied = lines.findIndex((line) => !line.includes('.aof>') && line.includes(auditId));
  expect(written).toBeGreaterThanOrEqual(0);
  expect(lines[written]).toMatch(/^write\(/);
  expect(lines[synced]).toMatch(/(fdatasync|fsync)\([0-9]+<.*\.aof>\) += 0/);
  expect(synced).toBeGreaterThan(written);
  expect(replied).toBeGreaterThan(synced);
});
