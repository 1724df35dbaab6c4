import * as fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatAcknowledgement } from '#loaders/answers/answers.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { ANSWER_FORMATS } from '#schemas/uploads/formats.ts';
import { startTestStore, type TestStore } from '../../support/test-store.ts';
import { uploadArbitrary } from '../../support/upload-arbitrary.ts';
import { loader, metadata, read } from '../../support/upload-loading.ts';
import { fileCsv, fileXml, type ModelUpload } from '../../support/upload-model.ts';

/** A change that may happen to a file on its way. */
type Mutation = (bytes: Buffer) => Buffer;

const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const at = (bytes: Buffer, where: number): number => Math.floor(bytes.length * where);
const lines = (bytes: Buffer): string[] => bytes.toString('latin1').split('\n');
const joined = (parts: string[]): Buffer => Buffer.from(parts.join('\n'), 'latin1');

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(share, fc.integer({ min: 1, max: 255 })).map(
    ([where, bits]): Mutation =>
      (bytes) => {
        const flipped = Buffer.from(bytes);
        const i = at(bytes, where);
        flipped[i] = (flipped[i] ?? 0) ^ bits;
        return flipped;
      },
  ),
  fc.tuple(share, share).map(
    ([one, other]): Mutation =>
      (bytes) => {
        const parts = lines(bytes);
        const [i, j] = [Math.floor(parts.length * one), Math.floor(parts.length * other)];
        [parts[i], parts[j]] = [parts[j] ?? '', parts[i] ?? ''];
        return joined(parts);
      },
  ),
  fc.tuple(share, share).map(
    ([from, to]): Mutation =>
      (bytes) => {
        const [i, j] = [at(bytes, Math.min(from, to)), at(bytes, Math.max(from, to))];
        return Buffer.concat([bytes.subarray(0, i), bytes.subarray(j)]);
      },
  ),
  fc.tuple(share, share).map(
    ([from, to]): Mutation =>
      (bytes) => {
        const [i, j] = [at(bytes, Math.min(from, to)), at(bytes, Math.max(from, to))];
        return Buffer.concat([bytes.subarray(0, j), bytes.subarray(i)]);
      },
  ),
  fc.tuple(share, share).map(
    ([from, size]): Mutation =>
      (bytes) => {
        // Repeats whole lines, which joins a record to its copy, or a header to another.
        const parts = lines(bytes);
        const i = Math.floor(parts.length * from);
        const copy = parts.slice(i, i + Math.ceil(4 * size));
        return joined([...parts.slice(0, i), ...copy, ...parts.slice(i)]);
      },
  ),
  fc
    .tuple(
      share,
      fc.constantFrom(
        '"',
        ',',
        '\n',
        '\r',
        '\0',
        '<',
        '&',
        '<record>',
        '</record>',
        '</CP-ISRecord>',
        '</subject><subject>',
        '<![CDATA[',
        '<!--',
        '\u{1F600}',
        '999 000 0018',
      ),
    )
    .map(
      ([where, text]): Mutation =>
        (bytes) => {
          const i = at(bytes, where);
          return Buffer.concat([bytes.subarray(0, i), Buffer.from(text), bytes.subarray(i)]);
        },
    ),
);

const mutated = (whole: fc.Arbitrary<string>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(whole, fc.array(mutation, { minLength: 1, maxLength: 3 }))
    .map(([text, steps]) => steps.reduce<Buffer>((bytes, step) => step(bytes), Buffer.from(text)));

const count = ({ records }: ModelUpload): number =>
  records.reduce((sum, { plans }) => sum + plans.length, 0);

const xml = mutated(
  uploadArbitrary.map((model) => fileXml(model).replaceAll(/(<\/?(?:subject|pertinent))/g, '\n$1')),
);
const csv = fc
  .tuple(
    uploadArbitrary.chain((model) =>
      fc.tuple(mutated(fc.constant(fileCsv(model))), fc.constant(count(model))),
    ),
    fc.boolean(),
  )
  .map(([[bytes, rows], counted]) => {
    const { rowCount, ...rest } = metadata(rows);
    return { bytes, metadata: counted ? { ...rest, rowCount: rows } : rest, rowCount };
  });

/** How many plans each record of a well-formed document has, counted in another way. */
function plansOf(bytes: Buffer): number[] {
  const plans: number[] = [];
  const parser = new SaxesParser();
  parser.on('opentag', ({ name }) => {
    if (name === 'record') plans.push(0);
    if (name === 'pertinentInformation') plans.push((plans.pop() ?? 0) + 1);
  });
  // Blank lines before the declaration are allowed.
  parser.write(bytes.toString('utf8').trimStart()).close();
  return plans;
}

test('Spine XML damaged in any way is read as whole records or not at all', async () => {
  await fc.assert(
    fc.asyncProperty(xml, async (bytes) => {
      const result = await read(bytes, { pieces: 997 });
      if (result.usable === undefined) {
        expect(result.failures.listed.some(({ code }) => code.startsWith('CPF'))).toBe(true);
        return;
      }
      const refused = new Set(result.failures.listed.map(({ record }) => record));
      const whole = plansOf(bytes).filter((_, i) => !refused.has(i + 1));
      expect(result.perRecord).toEqual(whole);
    }),
    { numRuns: 150 },
  );
});

test('CSV damaged in any way is read as whole lines or not at all', async () => {
  await fc.assert(
    fc.asyncProperty(csv, async ({ bytes, ...given }) => {
      const result = await read(bytes, { metadata: given.metadata, pieces: 997 });
      if (result.usable === undefined) {
        expect(result.failures.listed.some(({ code }) => code === 'CPF01')).toBe(true);
        return;
      }
      const refused = new Set(result.failures.listed.map(({ record }) => record));
      expect(result.perRecord.every((rows) => rows === 1)).toBe(true);
      expect(result.rows).toHaveLength(result.records - refused.size);
    }),
    { numRuns: 150 },
  );
});

describe('when loaded into a store', () => {
  let t: TestStore;
  beforeAll(async () => {
    t = await startTestStore({ kind: 'demo' });
  });
  afterAll(() => t.stop());

  test('any file gets an acknowledgement in every format, and the store holds what it says', async () => {
    const { load, spools } = loader(t);
    const either = fc.oneof(
      xml.map((bytes) => ({ bytes, metadata: {} })),
      csv.map(({ bytes, ...given }) => ({ bytes, metadata: given.metadata })),
    );
    await fc.assert(
      fc.asyncProperty(either, async ({ bytes, metadata: given }) => {
        const acknowledgement = await load(bytes, { metadata: given, echoTo: ['ZZ101'] });
        acknowledgementSchema.parse(acknowledgement);
        for (const format of ANSWER_FORMATS) {
          expect(formatAcknowledgement(acknowledgement, format)).not.toBe('');
        }
        new SaxesParser({ xmlns: true })
          .write(formatAcknowledgement(acknowledgement, 'xml'))
          .close();
        const { records, accepted, refused } = acknowledgement.counts;
        const held = acknowledgement.held?.records ?? 0;
        expect(accepted + refused + held).toBe(records);
        for (const { code, rows = 0, digest } of await t.store.authorities()) {
          const tally = (await t.store.tally()).get(code);
          expect(tally?.rows ?? 0).toBe(rows);
          if (rows > 0) expect(tally?.digest).toBe(digest);
        }
        expect(spools().length).toBe(t.anchor.heldFiles().length);
      }),
      { numRuns: 60 },
    );
  });
});
