import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ACKNOWLEDGEMENT } from '#schemas/wording/answers.ts';
import { LOG_FINDINGS } from '#schemas/wording/audit.ts';
import { CONFIRMED } from '#schemas/wording/confirmations.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { COUNCIL } from '#schemas/wording/council.ts';
import { counted } from '#schemas/wording/counts.ts';
import { HELD_FILE_REASONS } from '#schemas/wording/decisions.ts';
import { durationText } from '#schemas/wording/durations.ts';
import { NOTIFYING, SEALING, WITNESSING } from '#schemas/wording/operations.ts';
import { HELD } from '#schemas/wording/operator.ts';
import { RESULT } from '#schemas/wording/pages.ts';
import { REPLICAS } from '#schemas/wording/store.ts';
import { root } from '../../support/processes.ts';

test('a count is written the same way wherever a person reads it', () => {
  expect([counted(0, 'row'), counted(1, 'row'), counted(1_234, 'child', 'children')]).toEqual([
    '0 rows',
    '1 row',
    '1,234 children',
  ]);
  expect(ACKNOWLEDGEMENT.records({ records: 2_345, accepted: 1_234, refused: 1_111 })).toBe(
    '2,345 records: 1,234 accepted, 1,111 refused',
  );
  expect(HELD_FILE_REASONS.manyRefused(1_234, 2_468)).toMatch(
    /^1,234 of 2,468 records are refused /,
  );
  expect(HELD_FILE_REASONS.refusedInFull(1)).toMatch(/^1 record is refused, and its plans /);
  const held = { id: 'ZZ1-2', whole: false, records: 0, leftOut: 1 };
  expect(ACKNOWLEDGEMENT.waits(held)).toMatch(/^1 row to take away waits for /);
  expect(COUNCIL.heldFiles(1_234)).toMatch(/^1,234 files held/);
  expect(HELD.untraced(1_234)).toBe('1,234 records are waiting to be traced.');
  expect(durationText(1_234 * 86_400_000)).toBe('1,234 days');
  const nothing = { behindEvents: 0, lagMs: 0, unwritten: 0, unreadable: 0 };
  expect(NOTIFYING.inNumbers({ ...nothing, unwritten: 1, behindEvents: 1_234 })).toBe(
    ' 1,234 sealed events are not read yet; 1 notification waits for the outbox.',
  );
  expect(WITNESSING.upTo(1_234)).toBe('1,234 entries are witnessed.');
  expect(COPY.kept('/copy', 1_234)).toBe('/copy has all 1,234 sealed events.');
  expect(LOG_FINDINGS.rolledBack(1_234, 'checkpoint', 1_235)).toBe(
    'The log was rolled back: its checkpoint covers 1,234 entries, checkpoint covered 1,235. Entry 1234 is gone.',
  );
  expect(CONFIRMED.promotion.done(1, 'noon')).toMatch(
    /^Confirmed. 1 event that was known is missing/,
  );
  expect(REPLICAS.noAgreement(1)).toMatch(/^With 1 replica attached, /);
  expect(RESULT.covered.all('York', 1)).toBe('This covers the 1 council of York.');
  expect(SEALING.gaps(SEALING.gapBack('partition 3', 1, 0), 1, false)).toMatch(
    /^The numbering of audit events is broken in 2 places, first here: partition 3 went back \(1 event is sealed, and Redis knows 0\)\. /,
  );
  expect(SEALING.gaps(SEALING.gap('partition 3', 7, 7), 0, true)).toMatch(
    /^The numbering of audit events is broken: event 7 of partition 3 is missing from Redis\. /,
  );
});

test('only one file decides how a number is written', () => {
  const files = globSync('{schemas,loaders,store,service}/**/*.ts', { cwd: root });
  const own = files.filter((file) =>
    /toLocaleString\('en-GB'\)|Intl\.NumberFormat/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(own).toEqual(['schemas/wording/counts.ts']);
});
