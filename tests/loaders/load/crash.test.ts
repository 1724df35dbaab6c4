import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { resumeLoad } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { Spool } from '#loaders/spool/spool.ts';
import { sweepSpools } from '#loaders/spool/sweep.ts';
import { setRestriction } from '#loaders/upkeep/restrict.ts';
import type { OdsCode } from '#schemas/authority.ts';
import type { Acknowledgement } from '#schemas/uploads/acknowledgement.ts';
import { keys } from '#store/keys.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { day, testNumber } from '../../support/rows.ts';
import { metadata, startLoading, temporaryFolder } from '../../support/upload-loading.ts';
import {
  fileCsv,
  fileXml,
  person,
  planOf,
  RECEIVED_AT,
  unbornOf,
  upload,
} from '../../support/upload-model.ts';

const { t, l, newAuthority, expectWhole, expectOpensAgain } = await startLoading();

/** A first file, and a second that adds, changes, ends and deletes plans, with one record refused. */
function files(authority: OdsCode): { first: string; second: string } {
  const first = upload({ authority, records: [1, 2, 3, 4].map((n) => planOf(n)) });
  const second = upload({
    authority,
    sequence: 2,
    authorityName: 'Renamed Council',
    records: [
      planOf(1),
      planOf(2, { endDate: day('2026-11-01') }),
      planOf(3, { deleteDate: day('2026-11-01') }),
      { ...planOf(5), child: person(5, { nhsNumber: '1' }) },
      unbornOf(6),
      planOf(7),
    ],
  });
  return { first: fileXml(first), second: fileXml(second) };
}

const CRASH = new Error('the process ended here');

/** The steps that change something, in the order in which a load takes them. */
const STEPS = [
  'beginLoad',
  'setAuthority',
  'applyRows',
  'tally',
  'appendEvent',
  'finishFile',
  'commitLoad',
] as const;
type Step = (typeof STEPS)[number];

/** A store and an anchor that end at this step: before it has any effect, in its middle, or after it. */
function ending(step: Step, moment: 'before' | 'after'): { store: Store; anchor: Anchor } {
  const at = async <T>(name: Step, work: () => T): Promise<Awaited<T>> => {
    if (name !== step) return await work();
    if (moment === 'after') await work();
    throw CRASH;
  };
  const store: Store = {
    ...t.store,
    setAuthority: (...given) => at('setAuthority', () => t.store.setAuthority(...given)),
    applyRows: (lock, rows, options) =>
      // A batch may end in its middle.
      at('applyRows', () =>
        t.store.applyRows(
          lock,
          step === 'applyRows' ? rows.slice(0, Math.ceil(rows.length / 2)) : rows,
          options,
        ),
      ),
    tally: () => at('tally', () => t.store.tally()),
    finishFile: (...given) => at('finishFile', () => t.store.finishFile(...given)),
    appendEvent: (...given) => at('appendEvent', () => t.store.appendEvent(...given)),
  };
  const anchor = Object.assign(Object.create(t.anchor) as Anchor, {
    authority: (code: string) => t.anchor.authority(code),
    loadInProgress: (code: string) => t.anchor.loadInProgress(code),
    loadsInProgress: () => t.anchor.loadsInProgress(),
    heldFiles: () => t.anchor.heldFiles(),
    spoolsNeeded: () => t.anchor.spoolsNeeded(),
    missingFiles: (code: string) => t.anchor.missingFiles(code),
    beginLoad: (...given: Parameters<Anchor['beginLoad']>) =>
      at('beginLoad', () => t.anchor.beginLoad(...given)),
    commitLoad: (...given: Parameters<Anchor['commitLoad']>) =>
      at('commitLoad', () => t.anchor.commitLoad(...given)),
  });
  return { store, anchor };
}

/** Everything that a load leaves behind, except what names the authority. */
async function outcome(authority: OdsCode): Promise<unknown> {
  const held = await t.store.readRows([1, 2, 3, 4, 5, 6, 7].map(testNumber));
  const rows = [...held.values()].flat().filter((row) => row.authority === authority);
  const {
    code: _,
    digest: __,
    ...about
  } = (await t.store.authority(authority)) ?? {
    code: authority,
  };
  const anchored = t.anchor.authority(authority);
  const tally = (await t.store.tally()).get(authority);
  expect(tally?.digest).toBe(anchored?.digest);
  return {
    rows: rows.map(({ authority: ___, ...row }) => row),
    about,
    anchored: { sequence: anchored?.sequence, rows: anchored?.rows },
    inProgress: t.anchor.loadInProgress(authority),
  };
}

function anonymous(acknowledgement: Acknowledgement): unknown {
  const { name, format, createdAt, receivedAt } = acknowledgement.file;
  return {
    ...acknowledgement,
    authority: undefined,
    file: { name, format, createdAt, receivedAt },
  };
}

describe('a load that is cut short', () => {
  let undisturbed: { acknowledgement: unknown; outcome: unknown };

  beforeAll(async () => {
    const authority = newAuthority();
    const { first, second } = files(authority);
    await l.load(first);
    undisturbed = {
      acknowledgement: anonymous(await l.load(second)),
      outcome: await outcome(authority),
    };
  });

  const moments = STEPS.flatMap((step) => [
    { step, moment: 'before' as const },
    { step, moment: 'after' as const },
  ]);

  test.each(moments)(
    '$moment $step ends the same when resumed, with the same acknowledgement',
    async ({ step, moment }) => {
      const authority = newAuthority();
      const { first, second } = files(authority);
      await l.load(first);
      const broken = ending(step, moment);
      await expect(l.load(second, broken)).rejects.toThrow(LoadFailed);

      const begun = t.anchor.loadInProgress(authority);
      // Before the first step nothing had begun, and after the last nothing is left to do.
      const edge = `${moment} ${step}`;
      expect(begun === undefined).toBe(edge === 'before beginLoad' || edge === 'after commitLoad');
      if (begun !== undefined) await resumeLoad(t.store, t.anchor, begun);
      const resumed = edge === 'before beginLoad' ? undefined : await outcome(authority);
      expect(resumed ?? undisturbed.outcome).toEqual(undisturbed.outcome);
      expect(anonymous(await l.load(second))).toEqual(undisturbed.acknowledgement);
      expect(await outcome(authority)).toEqual(undisturbed.outcome);
    },
  );

  test('is finished by the next file of the authority, whichever that is', async () => {
    const authority = newAuthority();
    const { first, second } = files(authority);
    await l.load(first);
    await expect(l.load(second, ending('applyRows', 'after'))).rejects.toThrow(/will be resumed/);
    const third = fileXml(upload({ authority, sequence: 3, records: [planOf(9)] }));
    expect((await l.load(third)).warnings).toEqual([]);
    expect(anonymous(await l.load(second))).toEqual(undisturbed.acknowledgement);
    expect(await t.store.authority(authority)).toMatchObject({
      sequence: 3,
      rows: 7,
      reconciled: true,
    });
  });

  test.each(['before', 'after'] as const)(
    'without its journal keeps its council out of date until its file comes again, %s another file',
    async (when) => {
      const authority = newAuthority();
      const { first, second } = files(authority);
      await l.load(first);
      await expect(l.load(second, ending('applyRows', 'after'))).rejects.toThrow(LoadFailed);
      rmSync(t.anchor.loadInProgress(authority)?.journal ?? '', { recursive: true });
      const third = () => l.load(fileXml(upload({ authority, sequence: 3, records: [planOf(9)] })));
      if (when === 'after') {
        const { code, warnings } = await third();
        expect([code, warnings.map(({ field }) => field)]).toEqual(['CPF02', ['sequence']]);
        expect(await t.store.authority(authority)).toMatchObject({
          sequence: 3,
          reconciled: false,
        });
      }
      expect(await l.load(second)).toMatchObject({
        code: 'CPF03',
        counts: { accepted: 5, refused: 1 },
      });
      expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
      if (when === 'before') expect(await outcome(authority)).toEqual(undisturbed.outcome);
      await third();
      await expectWhole(authority);
      await expectOpensAgain();
    },
  );

  test.each([
    ['other content under its number', { sequence: 2 }],
    ['a full refresh', { sequence: 3, full: true }],
  ])(
    'without its journal is completed by %s, and its council can act meanwhile',
    async (_, differing) => {
      const authority = newAuthority();
      await l.load(fileXml(upload({ authority, sequence: 1, records: [planOf(1), planOf(2)] })));
      const cut = fileXml(upload({ authority, sequence: 2, records: [planOf(3), planOf(4)] }));
      await expect(l.load(cut, ending('finishFile', 'before'))).rejects.toThrow(LoadFailed);
      const begun = t.anchor.loadInProgress(authority);
      rmSync(begun?.journal ?? '', { recursive: true });
      expect(await resumeLoad(t.store, t.anchor, { authority })).toMatchObject({ kind: 'resumed' });
      // All its rows had been applied, so only its acknowledgement is missing.
      expect(await t.store.authority(authority)).toMatchObject({ sequence: 1, reconciled: true });

      const partly = {
        ...t.store,
        applyRows: async (...[lock, rows, options]: Parameters<Store['applyRows']>) => {
          await t.store.applyRows(lock, rows.slice(0, 1), options);
          throw new Error('the process ended here');
        },
      };
      const more = fileXml(upload({ authority, sequence: 2, records: [planOf(5), planOf(6)] }));
      await expect(l.load(more, { store: partly })).rejects.toThrow(LoadFailed);
      rmSync(t.anchor.loadInProgress(authority)?.journal ?? '', { recursive: true });
      expect(await resumeLoad(t.store, t.anchor, { authority })).toMatchObject({
        kind: 'behind',
        why: expect.stringContaining('journal is gone') as string,
      });
      const act = await setRestriction(
        t.store,
        t.anchor,
        authority,
        { nhsNumber: testNumber(1), kind: 'whereabouts' },
        'the father works there',
        { name: 'Ada Officer', key: 'council ada', now: () => RECEIVED_AT },
      );
      expect(act.kind).toBe('set');
      expect(await t.store.authority(authority)).toMatchObject({ reconciled: false });

      const { sequence } = differing;
      const records = [1, 2, 3, 4, 6]
        .map((n) => planOf(n))
        .concat({ ...planOf(5), child: person(5, { localId: 'OTHER' }) });
      const options = { metadata: metadata(records.length, { authority, ...differing }) };
      const right = await l.load(fileCsv({ records }), options);
      expect([right.code, right.sequence]).toEqual(['CPF02', sequence]);
      expect(await t.store.authority(authority)).toMatchObject({ reconciled: true });
      expect(t.anchor.missingFiles(authority)).toEqual([]);
      await expectWhole(authority);
      await expectOpensAgain();
    },
  );

  test.each([
    ['another end', { endDate: day('2026-11-20') }],
    ['an end that takes it away', { deleteDate: day('2026-11-20') }],
  ])(
    'without a ledger entry refuses another file under its number that has %s, and accepts the rest',
    async (_, differing) => {
      const authority = newAuthority();
      await l.load(fileXml(upload({ authority, sequence: 1, records: [planOf(1)] })));
      await l.load(fileXml(upload({ authority, sequence: 2, records: [planOf(2)] })));
      await t.admin.hdel(keys.files(authority), '2');
      const records = [planOf(2, differing), planOf(3)];
      const again = await l.load(fileXml(upload({ authority, sequence: 2, records })));
      expect(again).toMatchObject({
        code: 'CPF03',
        counts: { accepted: 1, refused: 1 },
        failures: [{ code: 'CPR07', record: 1 }],
      });
      expect(again.failures[0]?.hint).toContain('new number');
      expect(t.anchor.loadInProgress(authority)).toBeUndefined();
      expect(await t.store.authority(authority)).toMatchObject({ rows: 3, reconciled: true });
    },
  );

  test('is answered from the ledger if it was recorded there, even without its journal', async () => {
    const authority = newAuthority();
    const { first, second } = files(authority);
    await l.load(first);
    await expect(l.load(second, ending('commitLoad', 'before'))).rejects.toThrow(LoadFailed);
    rmSync(t.anchor.loadInProgress(authority)?.journal ?? '', { recursive: true });
    expect(anonymous(await l.load(second))).toEqual(undisturbed.acknowledgement);
    expect(await outcome(authority)).toEqual(undisturbed.outcome);
  });

  test('by a kill while applying is resumed by another process', async () => {
    const authority = newAuthority();
    const records = Array.from({ length: 5000 }, (_, n) => planOf(n + 1));
    const bytes = fileXml(upload({ authority, records }));
    const { stdout, stderr, signal } = spawnSync(
      process.execPath,
      [
        fileURLToPath(new URL('../../support/load-and-die.ts', import.meta.url)),
        t.dataDir,
        l.spoolDir,
      ],
      { input: bytes, encoding: 'utf8' },
    );
    expect([signal, stderr, stdout]).toEqual(['SIGKILL', '', '2000 rows applied\n']);
    const begun = t.anchor.loadInProgress(authority);
    if (begun === undefined) throw new Error('the anchor knows of no load');
    // The killed step was applied, and perhaps the one that followed.
    const applied = (await t.store.tally()).get(authority)?.rows;
    expect(applied).toBeGreaterThanOrEqual(2000);
    expect(applied).toBeLessThanOrEqual(4000);
    expect(statSync(begun.journal).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(begun.journal)) {
      expect(statSync(join(begun.journal, name)).mode & 0o777).toBe(0o600);
    }
    expect(
      sweepSpools(l.spoolDir, () => t.anchor.loadsInProgress().map(({ journal }) => journal)),
    ).toBe(0);

    // The lease of the dead loader would expire by itself; deleting it saves the wait.
    await t.admin.del(keys.lock(authority));
    await resumeLoad(t.store, t.anchor, begun);
    expect(await l.load(bytes)).toMatchObject({
      code: 'CPF02',
      rows: { added: 5000, unchanged: 0 },
    });
    expect(await t.store.authority(authority)).toMatchObject({ rows: 5000, reconciled: true });
    expect(readdirSync(l.spoolDir)).toEqual([]);
  });
});

describe('spools left behind', () => {
  test('are removed once no process has them open, no load needs them and they are not new', async () => {
    const folder = temporaryFolder();
    const abandoned = Spool.create(folder);
    const needed = Spool.create(folder);
    const inUse = Spool.create(folder);
    const young = Spool.create(folder);
    for (const spool of [abandoned, needed, young]) spool.close();
    inUse.addRecord(1, []);
    await inUse.commitJournal('{}');
    const old = new Date(RECEIVED_AT - 86_400_000);
    for (const spool of [abandoned, needed, inUse]) utimesSync(spool.folder, old, old);
    expect(sweepSpools(folder, () => [needed.folder])).toBe(1);
    expect(readdirSync(folder)).toHaveLength(3);
    expect(() => statSync(abandoned.folder)).toThrow(/ENOENT/);
    inUse.close();
    rmSync(folder, { recursive: true });
  });

  test('are recognised as whole, cut short by a crash, or changed', async () => {
    const folder = temporaryFolder();
    const spool = Spool.create(folder);
    for (let n = 1; n <= 3; n++) spool.decide('added', testNumber(n), `row ${n}`);
    await spool.commitJournal('{"a":"é"}');
    spool.close();
    const path = join(spool.folder, 'decided');
    const whole = readFileSync(path);
    const reopened = (bytes: Uint8Array) => {
      writeFileSync(path, bytes);
      const opened = Spool.open(spool.folder);
      try {
        return [opened.journal(), [...opened.decided(2)].flat().map(({ packed }) => packed)];
      } finally {
        opened.close();
      }
    };
    expect(reopened(whole)).toEqual(['{"a":"é"}', ['row 1', 'row 2', 'row 3']]);
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(path, whole.subarray(0, length));
      const cut = Spool.open(spool.folder);
      expect(cut.journal()).toBeUndefined();
      cut.close();
    }
    const changed = Buffer.from(whole);
    changed[14] = 'R'.charCodeAt(0);
    writeFileSync(path, changed);
    const other = Spool.open(spool.folder);
    expect(other.journal()).toBeUndefined();
    other.close();
    rmSync(folder, { recursive: true });
  });

  test('have names without digits, so that none can contain an NHS number', () => {
    const folder = temporaryFolder();
    for (let i = 0; i < 20; i++) Spool.create(folder).close();
    for (const name of readdirSync(folder)) expect(name).toMatch(/^load-[a-p]{24}$/);
    rmSync(folder, { recursive: true });
  });
});
