import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test, vi } from 'vitest';
import type { AccessCaseEvent } from '#schemas/audit/audit-event.ts';
import { Cases } from '#service/audit/cases/cases.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';
import { ACCESS, OFFICER } from '../../support/case-access.ts';
import { until } from '../../support/until.ts';

afterAll(() => removeAuditFolders());

test('a note written since a case was looked at is not erased with it, even if it was still waiting for its record', async () => {
  const recorded: AccessCaseEvent[] = [];
  const cases = Cases.open(join(auditFolder(), 'cases.sqlite'), async (event) => {
    recorded.push(event);
    // As a disk would: two steps never have the same millisecond.
    await delay(2);
  });
  const opened = await cases.open(ACCESS, 'inquire', OFFICER, 'first');
  if (opened.kind !== 'taken') throw new Error('not opened');
  const looked = () => {
    const found = cases.find(opened.id);
    if (found === undefined) throw new Error('no case');
    return found;
  };
  const words = () => cases.steps(looked()).map((step) => step.words);
  const seen = looked();
  const [, late] = await Promise.all([
    cases.step(opened.id, 'note', OFFICER, 'second'),
    cases.erase(seen, OFFICER.event),
  ]);
  expect(words()).toEqual(['first', 'second']);
  expect([late, recorded.map(({ step }) => step)]).toEqual(['changed', ['inquire', 'note']]);

  expect(await cases.erase(looked(), OFFICER.event)).toBe('erased');
  expect(await cases.erase(looked(), OFFICER.event)).toBe('empty');
  expect(words()).toEqual([null, null]);
  expect(recorded.map(({ step }) => step)).toEqual(['inquire', 'note', 'erase']);
  cases.close();
});

test('a step that waits for somebody who is writing or reading is taken, and everything else goes on meanwhile', async () => {
  const path = join(auditFolder(), 'cases.sqlite');
  const executed = vi.spyOn(DatabaseSync.prototype, 'exec');
  const triesOf = (sql: string) => executed.mock.calls.filter(([each]) => each === sql).length;
  /** Lets go of the file once the step has been tried again, which needs a process in which other things go on. */
  const closeOnceWaited = (other: DatabaseSync, sql: string): void =>
    void until(() => triesOf(sql) >= 2, `${sql} to be tried again`).finally(() => other.close());
  const cases = Cases.open(path, () => {
    const reader = new DatabaseSync(path);
    reader.exec('BEGIN; SELECT * FROM step');
    closeOnceWaited(reader, 'COMMIT');
    return Promise.resolve();
  });
  const writer = new DatabaseSync(path);
  writer.exec('BEGIN IMMEDIATE;');
  closeOnceWaited(writer, 'BEGIN IMMEDIATE');
  expect(await cases.open(ACCESS, 'inquire', OFFICER, 'first')).toMatchObject({ kind: 'taken' });
  expect(cases.list(undefined, 10).cases).toMatchObject([ACCESS]);
  cases.close();
});

test('a step that may be on record although it failed is shown later as the same act, and one that was refused was never taken', async () => {
  const recorded: AccessCaseEvent[] = [];
  let fault: Error | undefined = Object.assign(new Error('OOM command not allowed'), {
    name: 'ReplyError',
    command: { name: 'fcall' },
  });
  const cases = Cases.open(join(auditFolder(), 'cases.sqlite'), (event) => {
    recorded.push(event);
    return fault === undefined ? Promise.resolve() : Promise.reject(fault);
  });
  const shown = () => cases.list(undefined, 10).cases.map((each) => cases.steps(each).length);
  await expect(cases.open(ACCESS, 'inquire', OFFICER, 'refused')).rejects.toThrow('OOM');
  await cases.settle();
  expect([recorded.splice(0).length, shown()]).toEqual([1, []]);

  fault = new Error('Connection is closed.');
  await expect(cases.open(ACCESS, 'inquire', OFFICER, 'perhaps')).rejects.toThrow('closed');
  await expect(cases.settle()).rejects.toThrow('closed');
  expect(shown()).toEqual([]);
  fault = undefined;
  // The same form, sent again.
  expect(await cases.open(ACCESS, 'inquire', OFFICER, 'perhaps')).toMatchObject({ kind: 'open' });
  expect(new Set(recorded.map(({ auditId }) => auditId)).size).toBe(1);
  expect(shown()).toEqual([1]);
  cases.close();
});
