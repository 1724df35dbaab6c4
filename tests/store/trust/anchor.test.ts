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
    const ending = ['A', 'B'].map((code) => anchor.commitLoad(code, state));
    expect(begun()).toEqual(['A', 'B', 'C']);
    await Promise.all(ending);
    expect(begun()).toEqual(['C']);
    expect([...other.authorities().keys()]).toEqual(['A', 'B']);
  });

  test('succeed or fail separately: one that was overtaken is refused, while the others begin', async () => {
    await other.commitLoad('B', state);
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
      anchor.commitLoad('A', state, { holds: { ...held, json: null as unknown as string } }),
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
