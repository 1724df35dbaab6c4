import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  nhsNumberCheckDigit,
  nhsNumberSchema,
  PARTITIONS,
  parseNhsNumber,
  partitionOf,
  typedNhsNumber,
  unspacedNhsNumber,
} from '#schemas/nhs-number.ts';

const nineDigits = fc.stringMatching(/^[0-9]{9}$/);
const numbers = nineDigits
  .map((nine) => `${nine}${nhsNumberCheckDigit(nine) ?? 'x'}`)
  .filter((text) => parseNhsNumber(text) !== undefined);

test('an invisible character of a right-to-left script is never skipped in a number', () => {
  const rightToLeft = [
    [0x0590, 0x08ff],
    [0xfb1d, 0xfdff],
    [0xfe70, 0xfefe],
    [0x1_0800, 0x1_0fff],
    [0x1_e800, 0x1_efff],
    // Right-to-left marks, embeddings, overrides and isolates.
    [0x200f, 0x200f],
    [0x202b, 0x202b],
    [0x202e, 0x202e],
    [0x2067, 0x2067],
  ] as const;
  const passedOver: string[] = [];
  for (const [from, to] of rightToLeft) {
    for (let code = from; code <= to; code++) {
      const number = `${String.fromCodePoint(code)}999 000 0018`;
      if (typedNhsNumber(number) === '9990000018') passedOver.push(code.toString(16));
    }
  }
  expect(passedOver).toEqual([]);
});

describe('an NHS number', () => {
  test.each([
    '9990000018',
    '9990000026',
    '9990000034',
    '9990000042',
    '9990000050',
    '9990000069',
    '9990000077',
    '9990000085',
    '9990000093',
    '9990000107',
  ])('%s, a published test number, is accepted', (text) => {
    expect(parseNhsNumber(text)).toBe(text);
  });

  test.each([
    ['the sample number that fails the check', '1234567895'],
    ['ten equal digits, which pass the arithmetic', '1111111111'],
    ['nine digits', '999000001'],
    ['eleven digits', '99900000180'],
    ['spaces', '999 000 0018'],
    ['full-width digits', '９９９００００１８１'],
    ['a trailing line break', '9990000018\n'],
    ['nothing', ''],
  ])('is refused with %s', (_, text) => {
    expect(parseNhsNumber(text)).toBeUndefined();
    expect(nhsNumberSchema.safeParse(text).success).toBe(false);
  });

  test('with any one digit changed is refused', () => {
    fc.assert(
      fc.property(numbers, fc.nat(9), fc.integer({ min: 1, max: 9 }), (text, place, shift) => {
        const digit = (Number(text[place]) + shift) % 10;
        const changed = `${text.slice(0, place)}${digit}${text.slice(place + 1)}`;
        expect(parseNhsNumber(changed)).toBeUndefined();
      }),
    );
  });

  test('with two different neighbouring digits swapped is refused', () => {
    fc.assert(
      fc.property(numbers, fc.nat(8), (text, place) => {
        fc.pre(text[place] !== text[place + 1]);
        const swapped = `${text.slice(0, place)}${text[place + 1]}${text[place]}${text.slice(place + 2)}`;
        expect(parseNhsNumber(swapped)).toBeUndefined();
      }),
    );
  });

  test('that does not have exactly ten digits is never accepted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!/^[0-9]{10}$/.test(text));
        expect(parseNhsNumber(text)).toBeUndefined();
      }),
    );
  });

  test('printed with spaces or hyphens is read as its ten digits', () => {
    fc.assert(
      fc.property(numbers, fc.constantFrom(' ', '-'), (text, gap) => {
        const printed = `${text.slice(0, 3)}${gap}${text.slice(3, 6)}${gap}${text.slice(6)}`;
        expect(unspacedNhsNumber(printed)).toBe(text);
        expect(unspacedNhsNumber(text)).toBe(text);
      }),
    );
  });

  test('in a sequence are spread evenly over the partitions', () => {
    const counts = Array.from({ length: PARTITIONS }, () => 0);
    let made = 0;
    for (let i = 0; made < 25_600; i++) {
      const nine = `999${String(i).padStart(6, '0')}`;
      const number = parseNhsNumber(`${nine}${nhsNumberCheckDigit(nine) ?? 'x'}`);
      if (number === undefined) continue;
      made++;
      const partition = partitionOf(number);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBeLessThan(150);
  });
});
