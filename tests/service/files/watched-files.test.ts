import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { watchFiles } from '#service/files/watched-files.ts';
import { until } from '../../support/until.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cpf-watched-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a changed file that could not be read for a moment counts once it can be read, without another change', async () => {
  const path = join(folder, 'revocations.json');
  await writeFile(path, 'nobody');
  let isReadable = true;
  let refused = 0;
  const problems: string[] = [];
  const heard: string[] = [];
  const files = await watchFiles(
    [path],
    () => {
      if (isReadable) return readFile(path, 'utf8');
      refused++;
      return Promise.reject(new Error('too many files are open'));
    },
    { everyMs: 5, onProblem: (sentence) => problems.push(sentence) },
  );
  files.onChange((value) => heard.push(value));
  try {
    isReadable = false;
    await appendFile(path, ' but one');
    await until(() => refused >= 3, 'another attempt');
    expect(files.value).toBe('nobody');
    expect(files.problem).toMatch(/too many files are open/);

    isReadable = true;
    await until(() => files.value === 'nobody but one', 'the new content');
    expect(files.problem).toBeUndefined();
    expect([files.version, heard]).toEqual([2, ['nobody but one']]);
    // The problem is reported once, however often reading is tried.
    expect(problems).toHaveLength(1);
  } finally {
    files.stop();
  }
});
