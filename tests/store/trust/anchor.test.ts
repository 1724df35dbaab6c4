import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Anchor, type BegunLoad } from '#store/trust/anchor.ts';

let folder: string;
let anchor: Anchor;
/** Opened as another process would open it, so that it sees only what is committed. */
let other: Anchor;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cpf-anchor-'));
  anchor = Anchor.open(folder);
  other = Anchor.open(folder);
});

afterEach(() => {
  anchor.close();
  other.close();
  rmSync(folder, { recursive: true });
});

const load = (authority: string, digest = '0'.repeat(32)): BegunLoad => ({
  authority,
  sequence: 1,
  sha256: 'a',
  journal: `/spools/${authority}`,
  rows: 1,
  digest,
});
const state = { sequence: 1, rows: 1, digest: '0'.repeat(32) };
const begun = (): string[] => other.loadsInProgress().map(({ authority }) => authority);

describe('loads that begin or end in the same turn of the event loop', () => {
  test('are all known to other processes once their promises have resolved', async () => {
    await Promise.all(['A', 'B', 'C'].map((code) => anchor.beginLoad(load(code), undefined)));
    expect(begun()).toEqual(['A', 'B', 'C']);
    const ending = ['A', 'B'].map((code) => anchor.commitLoad(load(code), state));
    expect(begun()).toEqual(['A', 'B', 'C']);
    await Promise.all(ending);
    expect(begun()).toEqual(['C']);
    expect([...other.authorities().keys()]).toEqual(['A', 'B']);
  });

  test('succeed or fail separately: one that was overtaken is refused, while the others begin', async () => {
    await other.beginLoad(load('B'), undefined);
    await other.commitLoad(load('B'), state);
    const outcomes = await Promise.allSettled([
      anchor.beginLoad(load('A'), undefined),
      anchor.beginLoad(load('A'), undefined),
      anchor.beginLoad(load('B'), undefined),
      anchor.beginLoad(load('B'), state),
      anchor.beginLoad(load('C'), undefined),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(begun()).toEqual(['A', 'B', 'C']);
  });

  test('leave nothing behind of a load that fails halfway', async () => {
    await anchor.beginLoad(load('A'), undefined);
    const held = { id: 'h', authority: 'A', sequence: 1, folder: '/spools/A', at: 1, json: '{}' };
    const outcomes = await Promise.allSettled([
      // The state is written before the held file turns out to be invalid.
      anchor.commitLoad(load('A'), state, { holds: { ...held, json: null as unknown as string } }),
      anchor.beginLoad(load('B'), undefined),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(begun()).toEqual(['A', 'B']);
    expect(other.authority('A')).toBeUndefined();
  });

  test('are all refused, and none is recorded, if they cannot be committed', async () => {
    const beginning = [
      anchor.beginLoad(load('A'), undefined),
      anchor.beginLoad(load('B'), undefined),
    ];
    anchor.close();
    const outcomes = await Promise.allSettled(beginning);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(begun()).toEqual([]);
  });
});

describe('a process that was held up for longer than its lock lasts', () => {
  const held = { id: 'h', authority: 'A', sequence: 2, folder: '/spools/h', at: 1, json: '{}' };
  const lacks = [{ sequence: 1, number: 1 }];
  const later = { ...load('A', '1'.repeat(32)), sequence: 2, journal: '/spools/later' };
  const all = () => [
    other.authority('A'),
    other.loadsInProgress(),
    other.missingFiles('A'),
    other.heldFiles(),
    other.actsInDoubt(),
  ];
  const OVERTAKEN = { name: 'Overtaken' };

  test.each(['finished', 'taken over by the next'])(
    'ends no load once its own was %s by another, and changes nothing else',
    async (what) => {
      await anchor.beginLoad(load('A'), undefined);
      await other.commitLoad(load('A'), { ...state, digest: '1'.repeat(32) });
      if (what !== 'finished') await other.beginLoad(later, other.authority('A'));
      const before = all();
      await expect(
        anchor.commitLoad(load('A'), state, { missing: lacks, holds: held }),
      ).rejects.toMatchObject(OVERTAKEN);
      expect(() => anchor.giveUpLoad(load('A'), state, { missing: lacks, drops: [] })).toThrow(
        expect.objectContaining(OVERTAKEN),
      );
      expect(() => anchor.doubtAct('act', load('A'))).toThrow(expect.objectContaining(OVERTAKEN));
      expect(all()).toEqual(before);
    },
  );

  test.each(['loaded a file', 'begun to load one'])(
    'changes no held or missing file on the strength of what it read before another had %s',
    async (what) => {
      await other.beginLoad(later, undefined);
      if (what === 'loaded a file') await other.commitLoad(later, { ...state, sequence: 2 });
      const before = all();
      for (const change of [
        () => anchor.changeMissingFiles('A', undefined, () => lacks),
        () => anchor.changeHeldFiles('A', undefined, { holds: held }),
      ]) {
        expect(change).toThrow(expect.objectContaining(OVERTAKEN));
      }
      expect(all()).toEqual(before);
    },
  );

  test('does not load or end again what was held once another has decided on it', async () => {
    other.changeHeldFiles('A', undefined, { holds: held });
    other.changeHeldFiles('A', undefined, { drops: held.id });
    await expect(anchor.beginLoad(later, undefined, held.id)).rejects.toMatchObject(OVERTAKEN);
    expect(() => anchor.changeHeldFiles('A', undefined, { drops: held.id }, state)).toThrow(
      expect.objectContaining(OVERTAKEN),
    );
    expect(all()).toEqual([undefined, [], [], [], []]);
  });
});
