import { expect, test } from 'vitest';
import { explain } from '../../bench/tail.ts';
import type { Span } from '../../bench/tail-probe.ts';

test('the tail report shows what delayed the slowest requests, beside the figures for all requests', () => {
  const quick = Array.from({ length: 99 }, (_, i): Span => [10 * i, 10 * i + 1]);
  const slow: Span = [2_000, 2_040];
  const call = { span: [2_010, 2_038] as Span, lookups: 7 };
  const ofQuick = quick.map(([from, to]) => ({
    span: [from + 0.5, to - 0.1] as Span,
    lookups: 1,
  }));
  const facts = explain(
    {
      requests: [slow, ...quick],
      calls: [call, ...ofQuick],
      collecting: [[1_995, 2_005]],
      stalled: [
        [1_990, 2_006],
        [2_030, 2_060],
      ],
    },
    {
      lookup: [{ span: [2_000, 2_010], waitedMs: 8 }],
      redis: [{ span: [2_035, 2_045], waitedMs: 4 }],
    },
  );
  expect(facts.map(({ value }) => value.split(' (')[0])).toEqual([
    '40.00 ms',
    '28.00 ms',
    '16.00 ms',
    '5.00 ms',
    '8.00 ms',
    '2.00 ms',
    '7.00',
  ]);
  expect(facts[0]?.value).toBe('40.00 ms (1.39 ms)');
});
