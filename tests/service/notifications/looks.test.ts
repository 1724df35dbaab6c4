import { afterAll, expect, test } from 'vitest';
import { odsCodeSchema } from '#schemas/authority.ts';
import { newestLooks } from '#service/notifications/looks.ts';
import { auditFolder, removeAuditFolders } from '../../support/audit.ts';
import { HOUR, MINUTE, NINE, notifiedLog, settle, WINDOW } from '../../support/notification.ts';
import { testNumber } from '../../support/rows.ts';

afterAll(removeAuditFolders);

const ours = odsCodeSchema.parse('ZZ101');
const LATER = NINE + 2 * HOUR;

test('a list of looks keeps each look for its whole time, and has repeats that are not yet notified', async () => {
  const t = notifiedLog(auditFolder());
  const notifier = t.notifier();
  const at = async (instant: number): Promise<void> => {
    t.at(instant);
    await settle(notifier);
  };
  const [early] = t.look({ at: NINE });
  await at(NINE + WINDOW);
  const [first] = t.look({ at: NINE + WINDOW, child: 1 });
  await at(NINE + 2 * WINDOW);
  const [repeat] = t.look({ at: LATER });
  await at(LATER + WINDOW);

  const looks = await newestLooks(t.folder, ours, {});
  expect(looks.listedUntil).toBeGreaterThanOrEqual(LATER);
  const repeated = { id: early, count: 2, last: new Date(LATER).toISOString(), lastId: repeat };
  expect(looks.entries).toMatchObject([repeated, { id: first, count: 1 }]);
  expect(looks.entries).toHaveLength(2);
  expect(looks.read).toEqual({ newest: t.read(ours).at(-1)?.id, count: 2 });
  const ofChild = (child: number) =>
    newestLooks(t.folder, ours, { of: new Set([testNumber(child)]) });
  expect((await ofChild(0)).entries).toMatchObject([repeated]);
  expect((await ofChild(1)).entries).toMatchObject([{ id: first, count: 1 }]);
  expect((await ofChild(2)).read).toBeUndefined();
  // Another authority sees none of it.
  expect((await newestLooks(t.folder, odsCodeSchema.parse('ZZ102'), {})).entries).toEqual([]);
  notifier.close();
});

test('repeats that go beyond a page leave out no earlier look', async () => {
  const t = notifiedLog(auditFolder());
  const notifier = t.notifier();
  const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
  const ids: (string | undefined)[] = [];
  for (const [window, some] of [['alone'], users].entries()) {
    const at = NINE + window * WINDOW;
    ids.push(...t.look(...some.map((user) => ({ at, user }))));
    t.at(at + WINDOW);
    await settle(notifier);
  }
  t.look(...users.map((user, i) => ({ at: LATER + i * MINUTE, user })));
  t.at(LATER + 2 * HOUR);
  await settle(notifier);

  const page = await newestLooks(t.folder, ours, {});
  expect(page.entries.map(({ user, count }) => [user.id, count])).toEqual(
    users.toReversed().map((user) => [user, 2]),
  );
  const { entries, before } = await newestLooks(t.folder, ours, { before: page.before });
  expect([page.before === undefined, before]).toEqual([false, undefined]);
  expect(entries.map(({ id }) => id)).toEqual(ids.slice(0, 1));
  notifier.close();
});

test('looks are listed by their latest time, and the pages together have each one once, even those repeated since', async () => {
  const t = notifiedLog(auditFolder());
  const notifier = t.notifier();
  const firsts: string[] = [];
  // Sixty users in each of three windows, which makes a page for each window.
  for (let window = 0; window < 3; window++) {
    const at = NINE + 2 * window * WINDOW;
    const users = Array.from({ length: 60 }, (_, i) => `user-${window}-${i}`);
    firsts.push(...t.look(...users.map((user, i) => ({ at: at + i, user }))));
    t.at(at + WINDOW);
    await settle(notifier);
    // A user from the window before looks again in the middle of this one.
    if (window > 0) t.look({ at: at + 30, user: `user-${window - 1}-0` });
    t.at(at + 2 * WINDOW);
    await settle(notifier);
  }

  const pages = [await newestLooks(t.folder, ours, {})];
  for (let before = pages[0]?.before; before !== undefined; before = pages.at(-1)?.before) {
    pages.push(await newestLooks(t.folder, ours, { before }));
  }
  expect(pages.length).toBeGreaterThan(2);
  const all = pages.flatMap(({ entries }) => entries);
  const times = all.map(({ last }) => last);
  expect(times).toEqual(times.toSorted().toReversed());
  expect(all.map(({ id }) => id).toSorted()).toEqual(firsts.toSorted());
  const repeated = all.filter(({ count }) => count === 2).map(({ user }) => user.id);
  expect(repeated).toEqual(['user-1-0', 'user-0-0']);
  notifier.close();
});
