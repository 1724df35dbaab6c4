import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { changedTree } from '../../support/changed-tree.ts';
import { cpFlags, readDemo, startServing, untilOpen } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { testFolder, until } from '../../support/service.ts';

/** A third format that needs no other change: its description and its reader. */
const ENTRY = `
  'json-lines': {
    called: 'JSON lines',
    endings: ['jsonl'],
    mediaTypes: ['application/jsonl'],
    opening: '{',
    answers: ['json', 'txt'],
    meshAnswer: 'json',
    canBeFull: true,
    numberedBeside: true,
    countField: 'rowCount',
    planDateForms: 'YYYY.MM.DD',
    birthDateForms: 'YYYY.MM.DD',
    withoutDate: 'leave the member out',
  },`;
const READER = `
  'json-lines': {
    read: async function* (texts, { source, metadata, authority }) {
      const told = await csvHeader(source, metadata, authority);
      yield [{ kind: 'header', ...told, contactProblems: [], droppedColumns: [], recordsReadable: true }];
      let text = '';
      for await (const part of texts) text += part;
      yield text.trimEnd().split('\\n').map((line, i) => {
        const { type, number, birth, start } = JSON.parse(line);
        const place = 'line ' + (i + 1);
        const located = (text) => (text === undefined ? [] : [{ text, place }]);
        const plan = { type, place, start: located(start), end: [], deleted: [] };
        const child = { kind: 'child', place, nhsNumbers: located(number), localIds: [], datesOfBirth: located(birth) };
        return { kind: 'record', record: { number: i + 1, place, plans: [plan], subjects: [child] } };
      });
    },
    header: async (_texts, source) => (await csvHeader(source, {}, undefined)).header,
    planDate: (text) => readCsvDate(text.replaceAll('.', '-')),
    birthDate: (text) => readCsvDate(text.replaceAll('.', '-')),
    isReadTwoWays: () => false,
  },`;

let folder: string;
let tree: string;
let service: Awaited<ReturnType<typeof startServing>>;
const environment = () => ({ DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'warn' });

beforeAll(async () => {
  folder = await testFolder();
  tree = await changedTree(folder, [
    { file: 'schemas/uploads/formats.ts', after: 'const ENTRIES = {', text: ENTRY },
    {
      file: 'loaders/formats/formats.ts',
      after: 'READERS: Record<UploadFormat, Reader> = {',
      text: READER,
    },
  ]);
  service = await startServing(['--demo'], environment(), tree);
  await untilOpen(service);
});
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const line = (index: number, differing: Record<string, string> = {}): string =>
  `${JSON.stringify({
    type: 'child-protection-plan',
    number: testNumber(index),
    birth: '2019.03.04',
    start: '2026.09.14',
    ...differing,
  })}\n`;

test('a format added as one entry and a reader loads from the command line and over HTTP', async () => {
  const { tokens } = await readDemo(environment().DATA_DIR);
  const token = tokens['authority'] ?? '';
  const send = (query: string, body: string) =>
    fetch(`${service.baseUrl}/uploads${query}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/jsonl',
        accept: 'application/xml, application/json;q=0.5',
        'x-request-id': randomUUID(),
      },
      body,
    });
  const createdAt = new Date().toISOString();
  const sent = await send(
    `?sequence=50&createdAt=${createdAt}&rowCount=2`,
    line(1) + line(2, { start: '14.09.2026' }),
  );
  // The sender of this format gets no XML, which an entry may leave out.
  expect(sent.headers.get('content-type')).toBe('application/json');
  const acknowledgement: unknown = await sent.json();
  expect(acknowledgement).toMatchObject({
    code: 'CPF03',
    file: { name: 'upload.jsonl', format: 'json-lines' },
    counts: { records: 2, accepted: 1, refused: 1 },
    failures: [
      {
        place: 'line 2',
        field: 'start_date',
        hint: 'This is not a day between 1900 and 2199 in the form YYYY.MM.DD.',
      },
    ],
  });
  const { authority } = acknowledgement as { authority: { code: string } };

  const file = join(folder, 'tonight.jsonl');
  await writeFile(file, line(3));
  const options = ['--authority', authority.code, '--sequence', '51', '--created', createdAt];
  const answers = join(folder, 'answers/');
  const loaded = await cpFlags(
    ['load', ...options, '--rows', '1', '--ack', answers, file],
    environment(),
    tree,
  ).ended;
  expect(loaded).toMatchObject({ code: 0 });
  expect(loaded.stdout).toContain('tonight.jsonl: CPF02');
  expect((await readdir(answers)).toSorted()).toEqual([
    'tonight.jsonl.ack.json',
    'tonight.jsonl.ack.txt',
  ]);

  const inbox = join(folder, 'inbox');
  await mkdir(inbox);
  await writeFile(join(inbox, 'later.jsonl'), line(4));
  await writeFile(
    join(inbox, 'later.json'),
    JSON.stringify({ authority: authority.code, sequence: 52, createdAt, rowCount: 1 }),
  );
  const watcher = cpFlags(['watch', inbox], environment(), tree);
  const outbox = join(inbox, 'outbox');
  const answered = async (): Promise<string[]> => readdir(outbox).catch(() => []);
  await until(async () => (await answered()).includes('later.jsonl.ack.txt'), 'the answer');
  watcher.kill('SIGINT');
  await watcher.ended;
  expect((await answered()).toSorted()).toEqual(['later.jsonl.ack.json', 'later.jsonl.ack.txt']);
});
