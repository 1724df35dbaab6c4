import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
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

test('what is not a file is reported instead of waited for, and the file that replaces it counts', async () => {
  const path = join(folder, 'issuers.json');
  await writeFile(path, 'one');
  const files = await watchFiles([path], () => readFile(path, 'utf8'), { everyMs: 5 });
  try {
    execFileSync('mkfifo', [`${path}.pipe`]);
    await rename(`${path}.pipe`, path);
    await until(() => files.problem?.includes('is not a file') === true, 'the report');
    expect(files.value).toBe('one');
    await writeFile(`${path}.new`, 'two');
    await rename(`${path}.new`, path);
    await until(() => files.value === 'two', 'the new content');
    expect(files.problem).toBeUndefined();
  } finally {
    files.stop();
  }
});

test('a reading that does not end is reported, and counts once it has ended', async () => {
  const path = join(folder, 'organisations.json');
  await writeFile(path, 'one');
  const hanging = Promise.withResolvers<string>();
  let isFirst = true;
  const problems: string[] = [];
  const files = await watchFiles(
    [path],
    () => {
      if (!isFirst) return hanging.promise;
      isFirst = false;
      return Promise.resolve('one');
    },
    { everyMs: 5, withinMs: 20, onProblem: (sentence) => problems.push(sentence) },
  );
  try {
    await appendFile(path, ' and two');
    await until(() => files.problem !== undefined, 'the report');
    expect([files.value, problems]).toEqual(['one', [expect.stringContaining(path)]]);
    hanging.resolve('one and two');
    await until(() => files.value === 'one and two' && files.problem === undefined, 'the content');
  } finally {
    files.stop();
  }
});
