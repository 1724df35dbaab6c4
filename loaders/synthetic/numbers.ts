import { nhsNumberCheckDigit } from '#schemas/nhs-number.ts';

/** Numbers that share their first eight digits: of the ten, at least nine have a check digit. */
const GROUP = 9;
/** Groups left out: the sample's numbers, 999 100 0011 and so on, which may be loaded beside these. */
const SAMPLE_GROUPS = { from: 10_000, count: 10 };

/**
 * Where synthetic numbers come from. `test` is the range 999 000 0000 to 999 999 9999, never issued and kept
 * for tests. `wide` is every other number that begins with 9: none is issued in England at present, so it is
 * only for measurements that need more children than `test` has.
 */
export const NUMBER_RANGES = {
  // Without the last group, which has 9999999999: ten equal digits pass only the arithmetic.
  test: { prefix: '999', digits: 5, groups: 99_999 - SAMPLE_GROUPS.count },
  wide: { prefix: '9', digits: 7, groups: 9_900_000 },
} as const;
export type NumberRange = keyof typeof NUMBER_RANGES;

/** A prime above either number of groups, so that each group is met once and neighbours are spread over the range. */
const STRIDE = 7_368_787;

export const numbersIn = (range: NumberRange): number => NUMBER_RANGES[range].groups * GROUP;

/** The NHS number of person `index`: valid, and a different one for each index from 0 to {@link numbersIn} less 1. */
export function syntheticNumber(range: NumberRange, index: number): string {
  const { prefix, digits, groups } = NUMBER_RANGES[range];
  const shuffled = (Math.floor(index / GROUP) * STRIDE) % groups;
  const group =
    range === 'test' && shuffled >= SAMPLE_GROUPS.from ? shuffled + SAMPLE_GROUPS.count : shuffled;
  const start = `${prefix}${String(group).padStart(digits, '0')}`;
  let left = index % GROUP;
  for (let ninth = 0; ; ninth += 1) {
    const nine = `${start}${ninth}`;
    const digit = nhsNumberCheckDigit(nine);
    if (digit !== undefined && left-- === 0) return `${nine}${digit}`;
  }
}
