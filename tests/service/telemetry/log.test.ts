import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nhsNumberCheckDigit, parseNhsNumber } from '#schemas/nhs-number.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { errorFields, type Log, withoutNumbers } from '#service/telemetry/log.ts';
import { createSampledLog } from '#service/telemetry/sampled-log.ts';

function captured() {
  const lines: string[] = [];
  return { lines, log: createLog('info', { write: (line) => void lines.push(line) }) };
}

describe('the log', () => {
  test('drops every unknown field, even one let through by a cast', () => {
    const { lines, log } = captured();
    log.info('refused', { code: 'x', nhsNumber: '9990000018', body: '{}' } as { code: string });
    expect(lines.join('')).toContain('"code":"x"');
    expect(lines.join('')).not.toMatch(/9990000018|body/);
  });

  test('replaces anything that looks like an NHS number, in any form', () => {
    const { lines, log } = captured();
    log.warn('about 9990000018', { cause: '999 000 0018 and 999-000-0018', source: '10.0.0.1' });
    expect(lines.join('')).not.toMatch(/999.?000.?0018/);
    expect(lines.join('')).toContain('10.0.0.1');
  });

  test('replaces an NHS number whatever separates its digits, and leaves other numbers', () => {
    const digits = fc.array(fc.nat(9), { minLength: 9, maxLength: 9 }).map((all) => all.join(''));
    const between = fc.constantFrom('', '.', '–', '  ', '\u00a0', '/', ' - ', '_', '·', '\u200b');
    fc.assert(
      fc.property(
        digits.filter((nine) => !/^(.)\1+$/.test(nine)),
        fc.array(between, { minLength: 9, maxLength: 9 }),
        fc.boolean(),
        (nine, gaps, wide) => {
          const last = nhsNumberCheckDigit(nine);
          fc.pre(last !== undefined && parseNhsNumber(`${nine}${last}`) !== undefined);
          const ten = Array.from(`${nine}${last}`, (digit) =>
            wide ? String.fromCodePoint(0xff10 + Number(digit)) : digit,
          );
          const written = ten.map((digit, i) => `${digit}${gaps[i] ?? ''}`).join('');
          fc.pre(!/^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(written.normalize('NFKC')));
          expect(withoutNumbers(`about ${written}.`)).toBe('about [number].');
        },
      ),
    );
    for (const text of [
      '020 7946 0018',
      '+44 1632 960001',
      '2026-11-28T09:36:22.413Z',
      '555123456789',
      '127.0.0.1:6379',
      '7b296e7d-deba-4a12-ae24-415a36b7a058',
    ]) {
      expect(withoutNumbers(text)).toBe(text);
    }
  });

  test('keeps the end of a long sentence, which says what to do, and cuts what is endless', () => {
    const { lines, log } = captured();
    log.warn(SEALING.oldLog({ here: 1, sealed: 2 }));
    log.warn('x'.repeat(1_000_000));
    expect(lines[0]).toContain('cp-flags audit accept-gap.');
    expect(lines[1]?.length).toBeLessThan(2_000);
  });

  test('escapes every character that a terminal would act on, including those that JSON leaves alone', () => {
    const { lines, log } = captured();
    log.warn('\u009b31m\u202e\u007f', { where: 'a\u2028b' });
    expect(lines.join('')).not.toMatch(/[\u007f-\u009f\u202e\u2028]/);
    expect(lines.join('')).toContain('u009b31m');
  });

  test('gives the class of an error and where it happened, never its message', () => {
    const error = new TypeError('FCALL lookup 9990000018 failed');
    expect(JSON.stringify(errorFields(error))).not.toContain('FCALL');
    expect(errorFields(error)).toMatchObject({ error: 'TypeError' });
  });
});

describe('a sampled log', () => {
  const counting = () => {
    const said: [string, number | undefined][] = [];
    const say: Log['info'] = (message, fields) => void said.push([message, fields?.count]);
    let now = 0;
    const sampled = createSampledLog({ debug: say, info: say, warn: say, error: say }, () => now);
    return { said, sampled, turn: () => void (now += 60_000) };
  };

  test('writes the first line for each key in a minute, and counts the others in one line', () => {
    const { said, sampled, turn } = counting();
    for (let i = 0; i < 5; i++) sampled.log('a', 'info', 'refused', {});
    sampled.log('b', 'info', 'refused', {});
    expect(said).toHaveLength(2);
    turn();
    sampled.log('a', 'info', 'refused', {});
    expect(said.slice(2)).toEqual([
      [expect.stringContaining('not logged'), 4],
      ['refused', undefined],
    ]);
  });

  test('says how many lines the last minute of a flood had, once it is over or the service stops', () => {
    const { said, sampled, turn } = counting();
    for (let i = 0; i < 5; i++) sampled.log('a', 'info', 'refused', {});
    sampled.review();
    expect(said).toHaveLength(1);
    turn();
    sampled.review();
    sampled.review();
    expect(said.slice(1)).toEqual([[expect.stringContaining('not logged'), 4]]);
    for (let i = 0; i < 3; i++) sampled.log('a', 'info', 'refused', {});
    sampled.flush();
    sampled.flush();
    expect(said.slice(3)).toEqual([[expect.stringContaining('not logged'), 2]]);
  });

  test('stays within its bounds whatever keys a stranger makes up', () => {
    const { said, sampled } = counting();
    for (let i = 0; i < 5_000; i++) sampled.log(`key ${i}`, 'info', 'refused', {});
    expect(said.length).toBeLessThanOrEqual(1_001);
  });
});
