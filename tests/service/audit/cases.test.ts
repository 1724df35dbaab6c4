import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import type { AccessCaseEvent } from '#schemas/audit/audit-event.ts';
import { Cases } from '#service/audit/cases/cases.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';

afterAll(() => removeAuditFolders());

const officer = { key: 'officer', event: { by: 'An Officer' } };
const ACCESS = { entry: 1, accessId: 'one', organisation: 'ZZH01', about: 'nurse' };

test('words written since a case was looked at are not erased with it, also if they were still waiting for their record', async () => {
  const recorded: AccessCaseEvent[] = [];
  const cases = Cases.open(join(auditFolder(), 'cases.sqlite'), async (event) => {
    recorded.push(event);
    // As a disk would: two steps never have the same millisecond.
    await delay(2);
  });
  const opened = await cases.open(ACCESS, 'inquire', officer, 'first');
  if (opened.kind !== 'taken') throw new Error('not opened');
  const looked = () => {
    const found = cases.find(opened.id);
    if (found === undefined) throw new Error('no case');
    return found;
  };
  const words = () => cases.steps(looked()).map((step) => step.words);
  const seen = looked();
  const [, late] = await Promise.all([
    cases.step(opened.id, 'note', officer, 'second'),
    cases.erase(seen, officer.event),
  ]);
  expect(words()).toEqual(['first', 'second']);
  expect([late, recorded.map(({ step }) => step)]).toEqual(['changed', ['inquire', 'note']]);

  expect(await cases.erase(looked(), officer.event)).toBe('erased');
  expect(await cases.erase(looked(), officer.event)).toBe('empty');
  expect(words()).toEqual([null, null]);
  expect(recorded.map(({ step }) => step)).toEqual(['inquire', 'note', 'erase']);
  cases.close();
});
