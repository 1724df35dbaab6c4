import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tilePath } from '#service/audit/tlog/tiles.ts';
import { proveEntry } from '#service/audit/verify/prove.ts';
import { parseWitnesses } from '#service/audit/witness/witnesses-file.ts';
import { startWitnessing } from '#service/audit/witness/witnessing.ts';
import { root } from '../../../bench/processes.ts';
import { makeLog, openLog, removeAuditFolders, signerOf } from '../../support/audit.ts';
import { startWitness, witnessesText } from '../../support/witness.ts';

/**
 * A program made of public libraries for transparency logs (tests/public-tools, in Go) verifies our log. Fetching and
 * building it takes a while the first time, and the tests are skipped where that cannot be done.
 */

const BUILT_WITHIN_MS = 240_000;
const VERIFIED_WITHIN_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'cpf-public-tools-'));
const program = join(folder, 'public-tools');
const hasGo = spawnSync('go', ['version']).status === 0;
const built = hasGo
  ? spawnSync('go', ['build', '-o', program, '.'], {
      cwd: join(root, 'tests', 'public-tools'),
      encoding: 'utf8',
      timeout: BUILT_WITHIN_MS,
    })
  : undefined;
const why = !hasGo
  ? 'skipped: there is no go on PATH'
  : built?.status === 0
    ? 'by tests/public-tools'
    : `skipped: tests/public-tools cannot be built here (${built?.stderr?.trim().split('\n').at(-1)})`;

function verify(log: string, key: string, ...more: string[]) {
  const { status, stdout } = spawnSync(program, [log, key, ...more], {
    encoding: 'utf8',
    timeout: VERIFIED_WITHIN_MS,
  });
  return { status, said: stdout.trim().split('\n') };
}

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  removeAuditFolders();
});

describe.skipIf(built?.status !== 0)(`public tools for transparency logs (${why})`, () => {
  const signer = signerOf();
  const key = signer.verifierKey.text;
  let log: string;
  const old = join(folder, 'old');
  const proof = join(folder, 'proof');

  beforeAll(() => {
    const { folder: made, source } = makeLog(700, signer);
    log = made;
    copyFileSync(join(log, 'checkpoint'), old);
    const writer = openLog(log, signer);
    writer.append(source.take(66_000));
    writer.close();
    writeFileSync(proof, proveEntry(log, [signer.verifierKey], 12_345));
  });

  test('verify checkpoint, bundles, tiles, inclusion, consistency and our proofs', () => {
    expect(verify(log, key, old, proof)).toEqual({
      status: 0,
      said: ['fsck 66700', 'inclusion 996', 'consistency 700', 'proof 12345'],
    });
  });

  test('verify witnesses’ cosignatures, and refuse cosignatures of another checkpoint', async () => {
    const all = [
      await startWitness(() => [signer.verifierKey], 'a.test/w'),
      await startWitness(() => [signer.verifierKey], 'b.test/w'),
    ];
    const parsed = parseWitnesses(witnessesText(all, 2));
    if (parsed.kind === 'wrong') throw new Error(parsed.detail);
    const { folder: witnessed, source } = makeLog(300, signer);
    const enough = Promise.withResolvers<void>();
    const going = startWitnessing({
      folder: witnessed,
      witnesses: parsed.witnesses,
      tell: (state) => state.witnessed?.size === 300 && enough.resolve(),
    });
    await enough.promise;
    await going.stop();
    for (const one of all) await one.close();
    const writer = openLog(witnessed, signer);
    writer.append(source.take(50));
    writer.close();

    const witnessKeys = join(folder, 'witness-keys');
    writeFileSync(witnessKeys, all.map((one) => `${one.signer.key.text}\n`).join(''));
    const { status, said } = verify(witnessed, key, '', '', witnessKeys);
    expect([status, said.at(-1)]).toEqual([0, 'witnessed 300 by 2']);
    const cosigned = join(witnessed, 'checkpoint.cosigned');
    const [head = '', lines = ''] = readFileSync(cosigned, 'utf8').split('\n\n');
    const [own = ''] = readFileSync(join(witnessed, 'checkpoint'), 'utf8').split('\n\n');
    const ofWitnesses = lines.split('\n').slice(1).join('\n');
    const [, signature = ''] = readFileSync(join(witnessed, 'checkpoint'), 'utf8').split('\n\n');
    writeFileSync(cosigned, `${own}\n\n${signature}${ofWitnesses}`);
    expect(head).not.toBe(own);
    expect(verify(witnessed, key, '', '', witnessKeys).status).toBe(1);
  });

  test('verify a log with a few entries, and an empty one', () => {
    for (const size of [0, 1, 256, 257]) {
      expect(verify(makeLog(size, signer).folder, key)).toMatchObject({ status: 0 });
    }
  });

  test('refuse another key, and a changed entry', () => {
    expect(verify(log, signerOf().verifierKey.text).status).toBe(1);
    const path = join(log, tilePath('entries', 100));
    const bundle = readFileSync(path);
    bundle[1_000] = (bundle[1_000] ?? 0) ^ 1;
    writeFileSync(path, bundle);
    expect(verify(log, key).status).toBe(1);
  });
});
