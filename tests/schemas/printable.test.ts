import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, printableLines } from '#schemas/printable.ts';

const texts = fc.string({ unit: 'binary' });

test('any text loses what a terminal would act on or hide, and keeps the rest', () => {
  fc.assert(
    fc.property(texts, (text) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      expect(printableLines(text).replaceAll(/[\n\t]/g, '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }),
  );
  expect(printable('Müller & Söhne 好.xml')).toBe('Müller & Söhne 好.xml');
  expect(printable('a\u001b[31m\u009bb\u202ec\n\u{e0001}')).toBe(
    'a\\u001b[31m\\u009bb\\u202ec\\u000a\\udb40\\udc01',
  );
});

test('JSON escaped for a terminal still means the same to a program', () => {
  fc.assert(
    fc.property(fc.record({ name: texts, of: fc.array(texts) }), (value) => {
      expect(JSON.parse(printableLines(JSON.stringify(value, null, 2)))).toEqual(value);
    }),
  );
});
