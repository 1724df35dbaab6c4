import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { parseCheckpoint } from '#service/audit/tlog/checkpoint.ts';
import { EMPTY_ROOT, fromBase64 } from '#service/audit/tlog/hash.ts';
import {
  openNote,
  parseWitnessKey,
  type VerifierKey,
  type WitnessKey,
} from '#service/audit/tlog/note.ts';
import { extendsTree } from '#service/audit/tlog/proof.ts';

const COSIGNATURE = 4;

type WitnessSigner = { key: WitnessKey; privateKey: KeyObject };

/** A witness's key, made as C2SP signed-note and tlog-cosignature specify. */
export function witnessSigner(name: string): WitnessSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const typed = Buffer.concat([Buffer.of(COSIGNATURE), raw]);
  const id = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed])).slice(0, 8);
  const key = parseWitnessKey(`${name}+${id}+${typed.toString('base64')}`);
  if (key === undefined) throw new Error('not a key of a witness');
  return { key, privateKey };
}

/** A cosignature line for the text of a checkpoint, with its newline. */
export function cosign(
  { key, privateKey }: WitnessSigner,
  checkpoint: string,
  seconds = Math.floor(Date.now() / 1_000),
): string {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(seconds));
  const signed = Buffer.from(`cosignature/v1\ntime ${seconds}\n${checkpoint}`);
  const bytes = Buffer.concat([Buffer.from(key.id, 'hex'), time, sign(null, signed, privateKey)]);
  return `\u2014 ${key.name} ${bytes.toString('base64')}\n`;
}

export type TestWitness = {
  signer: WitnessSigner;
  url: string;
  /** The last checkpoint that it cosigned. */
  known: { size: number; root: string };
  /** The old sizes in the requests it received. */
  asked: number[];
  /** The most requests that it had at the same time. */
  mostAtOnce: number;
  /** Each answer waits for this. */
  hold: Promise<void> | undefined;
  /** If set, this answers in its place. */
  instead: ((response: ServerResponse, checkpoint: string) => void | Promise<void>) | undefined;
  close(): Promise<void>;
};

/** A witness as in C2SP tlog-witness, on loopback, for one log. */
export async function startWitness(
  log: () => readonly VerifierKey[],
  name = 'witness.test/w1',
): Promise<TestWitness> {
  let atOnce = 0;

  function addCheckpoint(body: string): [status: number, answer: string] {
    const cut = body.indexOf('\n\n');
    const [first = '', ...lines] = body.slice(0, cut).split('\n');
    const old = Number(/^old (0|[1-9][0-9]*)$/.exec(first)?.[1]);
    witness.asked.push(old);
    const opened = openNote(Buffer.from(body.slice(cut + 2)), log());
    if (opened.kind !== 'signed') return [403, 'no signature of a known log\n'];
    const checkpoint = parseCheckpoint(opened.text);
    const proof = lines.map(fromBase64);
    if (checkpoint === undefined || proof.includes(undefined) || !(old <= checkpoint.size)) {
      return [400, 'not a request\n'];
    }
    if (old !== witness.known.size) return [409, `${witness.known.size}\n`];
    const hashes = proof.filter((one) => one !== undefined);
    const continues =
      old === 0 ? hashes.length === 0 : extendsTree(hashes, witness.known, checkpoint);
    if (!continues) return [422, 'inconsistent\n'];
    witness.known = { size: checkpoint.size, root: checkpoint.root };
    return [200, cosign(witness.signer, opened.text)];
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    atOnce++;
    response.once('close', () => atOnce--);
    witness.mostAtOnce = Math.max(witness.mostAtOnce, atOnce);
    const body = await text(request);
    await witness.hold;
    if (witness.instead !== undefined) {
      witness.asked.push(Number(/^old ([0-9]+)/.exec(body)?.[1]));
      return witness.instead(response, body.slice(body.indexOf('\n\n') + 2));
    }
    const isAsked = request.method === 'POST' && request.url === '/add-checkpoint';
    const [status, said] = isAsked ? addCheckpoint(body) : [404, 'nothing is here\n'];
    response.writeHead(status, {
      'content-type': status === 409 ? 'text/x.tlog.size' : 'text/plain',
    });
    response.end(said);
  }
  const http = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const witness: TestWitness = {
    signer: witnessSigner(name),
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    known: { size: 0, root: EMPTY_ROOT },
    asked: [],
    mostAtOnce: 0,
    hold: undefined,
    instead: undefined,
    async close() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return witness;
}

/** The text of a witnesses file in the format of C2SP tlog-policy. */
export function witnessesText(
  witnesses: readonly Pick<TestWitness, 'signer' | 'url'>[],
  required: number,
): string {
  const lines = witnesses.map(
    ({ signer, url }, i) => `witness w${i + 1} ${signer.key.text} ${url}\n`,
  );
  const names = witnesses.map((_, i) => `w${i + 1}`).join(' ');
  return `${lines.join('')}group enough ${required} ${names}\nquorum enough\n`;
}
