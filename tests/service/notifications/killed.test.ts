import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { auditFolder, removeAuditFolders, seeded } from '../../support/audit.ts';
import { HOUR, type Looked, notifiedLog, settle, WINDOW } from '../../support/notification.ts';
import { SEED } from '../../support/seed.ts';

afterAll(removeAuditFolders);

const AUTHORITIES = ['ZZ101', 'ZZ102'];
const KILLS = 6;

/** Every complete file in the outbox, by name. */
function filesIn(outbox: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const authority of readdirSync(outbox)) {
    for (const name of readdirSync(join(outbox, authority))) {
      if (name.endsWith('.tmp')) continue;
      files.set(`${authority}/${name}`, readFileSync(join(outbox, authority, name), 'utf8'));
    }
  }
  return files;
}

test(`killed at any moment, it continues with every access notified once, under stable ids (seed ${SEED})`, async () => {
  const random = seeded(SEED);
  const t = notifiedLog(auditFolder());
  const script = join(import.meta.dirname, '..', '..', 'support', 'notify-and-die.ts');
  const looked: string[] = [];
  const seen = new Map<string, string>();
  for (let kill = 0; kill < KILLS; kill++) {
    const child = spawn(process.execPath, [script, t.folder, t.outbox], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const killAt = performance.now() + random(250);
    do {
      const batch = Array.from({ length: 1 + random(20) }, (_, i): Looked => {
        const plans = AUTHORITIES.slice(random(2)).map((authority) => ({ authority }));
        return { at: Date.now(), user: `user-${looked.length + i}`, plans };
      });
      looked.push(...t.look(...batch));
      await pause(random(20));
    } while (performance.now() < killAt);
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    await gone;
    for (const [name, content] of filesIn(t.outbox)) {
      // Each file is complete, and never changes.
      expect(content).toBe(seen.get(name) ?? content);
      seen.set(name, content);
    }
  }
  t.at(Date.now() + 2 * WINDOW);
  const notifier = t.notifier();
  await settle(notifier);
  // Accesses that were only counted are notified in the end.
  t.at(Date.now() + 26 * HOUR);
  await settle(notifier);
  notifier.close();
  t.log.close();

  const now = filesIn(t.outbox);
  for (const [name, content] of seen) expect(now.get(name)).toBe(content);
  const told = t.read('ZZ102');
  expect(told.flatMap(({ entries }) => entries.map(({ id }) => id))).toEqual(looked);
  expect(told.flatMap(({ entries }) => entries.filter(({ count }) => count > 1))).toEqual([]);
  const ids = told.map(({ id }) => id);
  expect(told.map(({ previous }) => previous)).toEqual([undefined, ...ids.slice(0, -1)]);
  for (const authority of AUTHORITIES) {
    expect(t.written(authority)).toEqual(t.read(authority));
  }
});
