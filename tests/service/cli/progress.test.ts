import { expect, test } from 'vitest';
import { createProgress } from '#service/cli/progress.ts';

function shown(
  terminal: { isTTY?: boolean; columns?: number },
  files = [{ name: 'a.csv', sizeBytes: 1_000 }],
) {
  let at = 0;
  const written: string[] = [];
  const output = { ...terminal, write: (text: string) => void written.push(text) };
  const progress = createProgress(output, files, () => at);
  return {
    written,
    progress,
    /** This long after the last report, this much of a file has been read. */
    after: (ms: number, records: number, bytes: number, file = 0): void => {
      at += ms;
      progress.reportOf(file)({ step: 'reading', records, bytes });
    },
  };
}

test('on a terminal the bar is redrawn in place with records, rate and time left, and then removed', () => {
  const { written, progress, after } = shown({ isTTY: true, columns: 100 });
  after(0, 0, 0);
  after(2_000, 1_500, 500);
  expect(written.at(-1)).toBe(
    '\r[#####...................] 20 %, reading, 1,500 records, 750 a second, 8 s left\u001b[K',
  );
  progress.clear();
  expect(written.at(-1)).toBe('\r\u001b[K');
  expect(written.join('')).not.toContain('\n');
});

test('a line never wraps, however narrow the terminal', () => {
  const { written, after } = shown({ isTTY: true, columns: 30 });
  after(0, 0, 0);
  after(200_000, 1_234_567, 999);
  for (const line of written) {
    expect(line.replace('\r', '').replace('\u001b[K', '').length).toBeLessThan(30);
  }
});

test('the bar is redrawn no faster than anybody can see', () => {
  const { written, after } = shown({ isTTY: true });
  for (let i = 0; i < 1_000; i++) after(1, i, i);
  expect(written.length).toBeLessThanOrEqual(11);
});

test('elsewhere a long load reports its progress in plain lines, and a short load says nothing', () => {
  const { written, progress, after } = shown({});
  after(1_000, 100, 100);
  progress.clear();
  expect(written).toEqual([]);
  after(4_000, 500, 500);
  expect(written).toEqual(['a.csv: 20 %, reading, 500 records, 100 a second, 20 s left\n']);
});

test('the share done never goes back between steps', () => {
  const { written, progress } = shown({ isTTY: true, columns: 100 });
  progress.reportOf(0)({ step: 'reading', records: 10, bytes: 1_000 });
  expect(written.at(-1)).toContain('40 %, reading, 10 records');
  const next = shown({ isTTY: true, columns: 100 });
  next.progress.reportOf(0)({ step: 'deciding', records: 0, of: 10 });
  expect(next.written.at(-1)).toContain('40 %, checking');
  const last = shown({ isTTY: true, columns: 100 });
  last.progress.reportOf(0)({ step: 'applying', rows: 0, of: 0 });
  expect(last.written.at(-1)).toContain('100 %, loading');
});

test('the bar for several files shows how many are done, each weighted by its size', () => {
  const files = [
    { name: 'a.csv', sizeBytes: 3_000 },
    { name: 'b.csv', sizeBytes: 1_000 },
  ];
  const { written, progress, after } = shown({ isTTY: true, columns: 100 }, files);
  progress.done(0);
  after(1_000, 10, 1_000, 1);
  expect(written.at(-1)).toContain('85 %, 1 of 2 files, 10 records');
});
