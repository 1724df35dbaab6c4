import {
  assert,
  asyncProperty,
  constantFrom,
  dictionary,
  integer,
  json,
  oneof,
  record,
  string,
  tuple,
} from 'fast-check';
import { expect, test } from 'vitest';
import type { Exchange, MeshReply, MeshRequest } from '#service/mesh/exchange.ts';
import { createMeshApi } from '#service/mesh/mesh-api.ts';
import { MeshAway } from '#service/mesh/mesh-away.ts';
import { SENT_STATUSES } from '#service/mesh/mesh-messages.ts';

const header = constantFrom(
  'mex-from',
  'mex-to',
  'mex-workflowid',
  'mex-subject',
  'mex-filename',
  'mex-localid',
  'mex-messagetype',
  'mex-chunk-range',
  'mex-linkedmsgid',
  'mex-statuscode',
  'mex-statusdescription',
  'content-encoding',
  'retry-after',
  'date',
);
const value = oneof(
  string({ unit: 'binary', maxLength: 600 }),
  constantFrom('1:1', '1:2', '2:2', '1:0', '0:1', 'DATA', 'REPORT', 'gzip', 'X26ABC1', '00', '14'),
);
/** Any JSON, and JSON that is nearly right. */
const body = oneof(
  string({ unit: 'binary' }),
  json(),
  record({
    messages: constantFrom(['A1', '../b', 'c/d'], ['A1', '../b'], 'A1', [1]),
    links: constantFrom({ next: '/x?continue_from=%E0%A4%A' }, {}, { next: 7 }),
  }).map((found) => JSON.stringify(found)),
  record({
    message_id: constantFrom('A1', '../b', '', null, 5),
    status: oneof(constantFrom(...SENT_STATUSES), string()),
    detail: constantFrom([], [{}], [{ code: 12 }], [{ code: '12', msg: '999 000 0018' }], 'text'),
  }).map((found) => JSON.stringify(found)),
);
/** With these headers an answer passes the first checks, so that the later ones are tried too. */
const SOUND = { 'mex-chunk-range': '1:1', 'content-encoding': 'gzip', 'mex-messagetype': 'DATA' };
const answer = record({
  kind: constantFrom('reply' as const),
  status: oneof(
    { weight: 1, arbitrary: integer({ min: 100, max: 599 }) },
    { weight: 2, arbitrary: constantFrom(200, 200, 206, 202, 300, 404, 410, 423) },
  ),
  headers: tuple(dictionary(header, value, { minKeys: 4 }), constantFrom({}, SOUND)).map(
    ([wrong, sound]): Record<string, string> => ({ ...wrong, ...sound }),
  ),
  body: body.map((text) => Buffer.from(text)),
});
const lost = record({ kind: constantFrom('lost' as const), fault: string() });
const reply = oneof({ weight: 9, arbitrary: answer }, { weight: 1, arbitrary: lost });

/** An exchange that gives this answer to everything, writing the body to the sink for it. */
function answering(given: MeshReply): Exchange {
  async function once({ sinkFor }: MeshRequest): Promise<MeshReply> {
    if (given.kind === 'lost') return given;
    const sink = sinkFor?.(given.status, given.headers);
    if (sink !== undefined) await sink(given.body);
    return given;
  }
  return { once, repeated: once, close: () => undefined };
}

const OUTGOING = { to: 'X26ABC1', workflowId: 'W', localId: 'cpf-1', subject: 's', fileName: 'f' };

test('every answer from MESH is a known outcome, or a message that MESH is away', async () => {
  await assert(
    asyncProperty(reply, async (given) => {
      const api = createMeshApi(answering(given), '0');
      const settled = <T>(work: Promise<T>): Promise<T | undefined> =>
        work.catch((error: unknown) => {
          expect(error).toBeInstanceOf(MeshAway);
          expect((error as MeshAway).message).not.toMatch(/999 000 0018/);
          return undefined;
        });
      await settled(api.handshake());
      await settled(api.acknowledge('A1'));
      const listed = await settled(api.list(undefined));
      for (const id of listed?.ids ?? []) expect(id).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]*$/);
      const fetched = await settled(api.fetch('A1', 1, () => () => Promise.resolve(true)));
      if (fetched?.kind === 'chunk') {
        const { head } = fetched;
        for (const text of [head.subject, head.fileName, head.localId, head.description]) {
          expect(text.length).toBeLessThanOrEqual(255);
          expect(text).not.toMatch(/\p{Cc}/u);
        }
        expect(head.type === 'report' || head.chunks >= 1).toBe(true);
        expect(head.from ?? 'X26').toMatch(/^[A-Z0-9]+$/);
      }
      const posted = await settled(api.post(OUTGOING, 1, Buffer.from('x')));
      expect(['taken', 'refused', 'unknown', undefined]).toContain(posted?.kind);
      if (given.kind === 'lost') expect(posted?.kind).toBe('unknown');
      await settled(api.postChunk('A1', { chunk: 2, of: 2 }, Buffer.from('x')));
      for (const tracked of [await settled(api.track('A1')), await settled(api.trackLocal('c'))]) {
        expect(['known', 'absent', 'unclear', undefined]).toContain(tracked?.kind);
      }
    }),
    { numRuns: 1_000 },
  );
});
