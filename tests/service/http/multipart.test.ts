import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundaryOf, NotAForm, readParts } from '#service/http/multipart.ts';

/** Forms with files, as browsers send them and as an attacker might. */

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

type Read = { name: string; filename?: string; content: Buffer };

async function readAll(bytes: Buffer, boundary: string, size = 7): Promise<Read[]> {
  const read: Read[] = [];
  for await (const part of readParts(inPieces(bytes, size), boundary)) {
    if (part.kind === 'field') read.push({ name: part.name, content: Buffer.from(part.value) });
    else {
      const pieces: Buffer[] = [];
      for await (const piece of part.content) pieces.push(Buffer.from(piece));
      const { name, filename } = part;
      read.push({ name, filename, content: Buffer.concat(pieces) });
    }
  }
  return read;
}

/** A form as the FormData of this Node encodes it. */
async function formOf(
  fields: [string, string | File][],
): Promise<{ bytes: Buffer; boundary: string }> {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  const response = new Response(form);
  const boundary = boundaryOf(response.headers.get('content-type') ?? '');
  return { bytes: Buffer.from(await response.arrayBuffer()), boundary: boundary ?? '' };
}

test('a browser’s form reads back as sent, in whatever pieces it arrives', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ maxLength: 20 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ maxLength: 30, minLength: 1 }),
      fc.integer({ min: 1, max: 400 }),
      async (value, content, filename, size) => {
        const { bytes, boundary } = await formOf([
          ['token', value],
          ['file', new File([content], filename)],
          ['after', 'x'],
        ]);
        const [token, file, after] = await readAll(bytes, boundary, size);
        // The browser turns line breaks in fields into CRLF.
        expect(token?.content.toString()).toBe(value.replaceAll(/\r\n|\r|\n/g, '\r\n'));
        expect(file?.content.equals(Buffer.from(content))).toBe(true);
        expect(file?.name).toBe('file');
        expect(after?.content.toString()).toBe('x');
      },
    ),
    { numRuns: 100 },
  );
});

test('content that looks like a boundary, or almost like one, is still content', async () => {
  const content = '\r\n--B\r\n--BOUND\r\n\r\n--';
  const bytes = Buffer.from(
    `--BOUNDARY\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n${content}\r\n--BOUNDARY--\r\n`,
  );
  for (const size of [1, 2, 5, 1000]) {
    expect((await readAll(bytes, 'BOUNDARY', size))[0]?.content.toString()).toBe(content);
  }
});

test('an unread file does not block what follows it', async () => {
  const { bytes, boundary } = await formOf([
    ['file', new File(['a'.repeat(1_000)], 'a.csv')],
    ['after', 'x'],
  ]);
  const names: string[] = [];
  for await (const part of readParts(inPieces(bytes, 64), boundary)) names.push(part.name);
  expect(names).toEqual(['file', 'after']);
});

const part = (head: string, body = ''): string => `--B\r\n${head}\r\n\r\n${body}\r\n`;
const FIELD = 'Content-Disposition: form-data; name="a"';

describe('these are not forms:', () => {
  test.each([
    ['nothing', ''],
    ['one cut off in a part', `--B\r\n${FIELD}\r\n\r\nvalue`],
    ['one cut off before its end', `${part(FIELD, 'v')}--B`],
    ['one with something before its first part', `x\r\n${part(FIELD)}--B--`],
    ['one with a nameless part', `${part('Content-Type: text/plain')}--B--`],
    [
      'one with a part that is not form-data',
      `${part('Content-Disposition: attachment; name="a"')}--B--`,
    ],
    ['one with two names in a part', `${part(`${FIELD}; name="b"`)}--B--`],
    ['one with an endless header', `--B\r\n${FIELD}\r\n${'x: y\r\n'.repeat(1_000)}\r\n\r\n--B--`],
    ['one with a field that is too long', `${part(FIELD, 'v'.repeat(5_000))}--B--`],
    ['one with too many parts', `${part(FIELD).repeat(30)}--B--`],
  ])('%s', async (_, text) => {
    await expect(readAll(Buffer.from(text), 'B')).rejects.toBeInstanceOf(NotAForm);
  });

  test('a field that is not UTF-8', async () => {
    const bytes = Buffer.concat([
      Buffer.from(`--B\r\n${FIELD}\r\n\r\n`),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('\r\n--B--\r\n'),
    ]);
    await expect(readAll(bytes, 'B')).rejects.toBeInstanceOf(NotAForm);
  });
});

test.each([
  [undefined, undefined],
  ['application/x-www-form-urlencoded', undefined],
  ['multipart/form-data', undefined],
  ['multipart/form-data; boundary=', undefined],
  ['multipart/form-data; boundary=a b', undefined],
  ['multipart/form-data; boundary=----WebKitFormBoundaryAbC', '----WebKitFormBoundaryAbC'],
  ['multipart/form-data; boundary="a b"', 'a b'],
  [`multipart/form-data; boundary=${'x'.repeat(71)}`, undefined],
])('the boundary of %j is %j', (type, boundary) => {
  expect(boundaryOf(type)).toBe(boundary);
});
