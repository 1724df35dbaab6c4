import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cases } from '#service/audit/cases/cases.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';
import { ACCESS, OFFICER } from '../../support/case-access.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';

let t: TestStore;
beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
});
afterAll(async () => {
  removeAuditFolders();
  await t.stop();
});

const script = join(import.meta.dirname, '..', '..', 'support', 'case-and-die.ts');
async function takeStepsAndDie(casesFile: string, dieAt: number): Promise<boolean> {
  const args = [script, casesFile, join(auditFolder(), 'anchor'), String(dieAt)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const { socketPath, users } = t.server;
  child.stdin.end(JSON.stringify({ socketPath, ...users.worker }));
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
  await once(child, 'close');
  expect(child.signalCode ?? child.exitCode).toBe(said === '' ? 'SIGKILL' : 0);
  return said === '';
}

test('wherever a process is killed, a case afterwards shows the steps that are on record and no others, and a repeated press records none again', async () => {
  let dieAt = 1;
  for (let wasKilled = true; wasKilled; dieAt++) {
    const before = (await t.adminStore.readEvents('system')).length;
    const casesFile = join(auditFolder(), 'cases.sqlite');
    wasKilled = await takeStepsAndDie(casesFile, dieAt);
    const cases = Cases.open(casesFile, (event) => t.store.appendEvent(event));
    await cases.settle();
    /** Steps on record; one that was recorded twice as the same act counts once. */
    const recorded = async () => {
      const events = (await t.adminStore.readEvents('system', before + 1)).filter(
        (event) => event.type === 'access-case',
      );
      return [...new Map(events.map((event) => [event.auditId, event.step])).values()];
    };
    const shown = () =>
      cases
        .list(undefined, 10)
        .cases.flatMap((each) => [
          ...cases.steps(each).map(({ step }) => step),
          ...(cases.steps(each).some(({ words }) => words === null) ? ['erase'] : []),
        ]);
    const where = `killed before step ${dieAt}`;
    expect(shown(), where).toEqual(await recorded());

    // What the page would send again.
    const last = shown().at(-1);
    const found = cases.on(ACCESS.entry);
    if (found !== undefined && last === 'inquire') {
      expect((await cases.open(ACCESS, 'inquire', OFFICER, 'first')).kind, where).toBe('open');
    }
    if (found !== undefined && last === 'explain') {
      const again = await cases.step(found.id, 'explain', OFFICER, 'second');
      expect(again, where).toEqual({ kind: 'refused', why: 'not-now' });
    }
    if (found !== undefined && last === 'erase') {
      expect(await cases.erase(found, OFFICER.event), where).toBe('empty');
    }
    expect(await recorded(), where).toEqual(shown());
    cases.close();
  }
  // Three steps, each with more than one place to die at.
  expect(dieAt).toBeGreaterThan(6);
});
