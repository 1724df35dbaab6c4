import { describe, expect, test } from 'vitest';
import { applyBreakers, type FileSizes } from '#loaders/decide/breakers.ts';
import { DEFAULT_BREAKERS } from '#schemas/uploads/breakers.ts';

const usual = (rows: number, added: number) => Array.from({ length: 5 }, () => ({ rows, added }));

/** The sizes of an ordinary night's file, with given changes. */
const sizes = (differing: Partial<FileSizes> = {}): FileSizes => ({
  firstLoad: false,
  inForce: 1_000,
  held: 1_200,
  recent: usual(40, 10),
  records: 40,
  refused: 0,
  rows: 40,
  added: 10,
  removals: 8,
  leftOut: undefined,
  ...differing,
});
const outcomeOf = (differing: Partial<FileSizes> = {}, breakers = DEFAULT_BREAKERS) =>
  applyBreakers(sizes(differing), breakers);
const NOTHING = { whole: false, removals: false, sweep: false };

describe('a delta', () => {
  test('like any other gets no remark', () => {
    expect(outcomeOf()).toEqual({ heldBack: NOTHING, reasons: [], remarks: [] });
  });

  test.each([
    [250, false],
    [251, true],
  ])('that takes away %i of a thousand plans in force holds them: %s', (removals, waits) => {
    const { heldBack, reasons, remarks } = outcomeOf({ removals });
    expect(heldBack).toEqual({ ...NOTHING, removals: waits });
    expect(reasons).toHaveLength(waits ? 1 : 0);
    expect(remarks).toHaveLength(waits ? 0 : 1);
  });

  test('in which a small authority ends a few plans is nothing unusual', () => {
    expect(outcomeOf({ inForce: 4, removals: 4, recent: usual(3, 1) }).heldBack).toEqual(NOTHING);
    expect(outcomeOf({ inForce: 10, removals: 5, recent: usual(3, 1) }).heldBack.removals).toBe(
      true,
    );
  });

  test('with most records refused applies its additions and holds its removals', () => {
    const { heldBack, reasons } = outcomeOf({ records: 40, refused: 21, removals: 1 });
    expect(heldBack).toEqual({ ...NOTHING, removals: true });
    expect(reasons[0]).toContain('21 of 40 records are refused (53 %)');
    expect(outcomeOf({ records: 40, refused: 21, removals: 0 }).heldBack).toEqual(NOTHING);
  });

  test.each([
    [1_000, 10, false],
    [1_001, 10, true],
    [1_001, 100, true],
    [1_001, 101, false],
  ])('that adds %i rows when %i are usual is held whole: %s', (added, ofUsual, waits) => {
    const { heldBack } = outcomeOf({ added, rows: added, recent: usual(added, ofUsual) });
    expect(heldBack).toEqual({ ...NOTHING, whole: waits });
  });

  test('is compared with what is held if too few files came before it', () => {
    const recent = usual(40, 10).slice(0, 2);
    expect(outcomeOf({ added: 12_000, rows: 12_000, recent }).heldBack.whole).toBe(false);
    expect(outcomeOf({ added: 12_001, rows: 12_001, recent }).heldBack.whole).toBe(true);
  });

  test('far larger or smaller than usual gets a remark, and nothing is held', () => {
    const recent = usual(400, 50);
    for (const rows of [1_201, 44]) {
      const { heldBack, remarks } = outcomeOf({ rows, recent, records: rows });
      expect(heldBack).toEqual(NOTHING);
      expect(remarks.join()).toContain('400 are usual');
    }
    expect(outcomeOf({ rows: 1_200, recent, records: 1_200 }).remarks).toEqual([]);
  });

  test('that takes a lot away never has its additions held with its removals', () => {
    expect(outcomeOf({ removals: 1_000, added: 1_000 }).heldBack.whole).toBe(false);
  });
});

describe('a full refresh', () => {
  const leftOut = (inForce: number) => ({ leftOut: { rows: inForce, inForce } });

  test('holds its sweep by how much it leaves out, counting ends and deletes together', () => {
    expect(outcomeOf({ removals: 50, ...leftOut(200) }).heldBack).toEqual(NOTHING);
    expect(outcomeOf({ removals: 50, ...leftOut(201) }).heldBack).toEqual({
      ...NOTHING,
      sweep: true,
    });
    expect(outcomeOf({ removals: 300, ...leftOut(1) }).heldBack).toEqual({
      whole: false,
      removals: true,
      sweep: true,
    });
  });

  test('holds its sweep if it would leave a small authority with nothing', () => {
    expect(outcomeOf({ inForce: 1, removals: 0, ...leftOut(1) }).heldBack.sweep).toBe(true);
  });

  test('holds its sweep if any record was refused', () => {
    expect(outcomeOf({ refused: 1, removals: 0, ...leftOut(1) }).heldBack).toEqual({
      ...NOTHING,
      sweep: true,
    });
    expect(outcomeOf({ refused: 1, removals: 0, ...leftOut(0) }).heldBack).toEqual(NOTHING);
  });
});

test('an authority’s first file has nothing to be compared with', () => {
  const first = { firstLoad: true, inForce: undefined, held: 0, recent: [] };
  expect(outcomeOf({ ...first, added: 50_000, rows: 50_000 }).heldBack).toEqual(NOTHING);
});

test('a limit of 1 stops nothing', () => {
  const breakers = { ...DEFAULT_BREAKERS, removalsStopShare: 1, refusedStopShare: 1 };
  expect(outcomeOf({ removals: 1_000, refused: 40 }, breakers).heldBack).toEqual(NOTHING);
});
