import { readFileSync, statSync } from 'node:fs';
import type { Configuration } from '#schemas/configuration.ts';
import { counted, figure } from '#schemas/wording/counts.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import { parsePublicKey, type RetiredKey, readKeys, retiredKeysOf } from '../audit/seal/keys.ts';
import type { VerifierKey } from '../audit/tlog/note.ts';
import { asWritten } from '../audit/verify/as-written.ts';
import { findEntries, NoProof, proveEntry } from '../audit/verify/prove.ts';
import { type Verification, verifyLog } from '../audit/verify/verify.ts';
import { verifyProof } from '../audit/verify/verify-proof.ts';
import { readWitnesses, type Witnesses } from '../audit/witness/witnesses-file.ts';
import { auditFolder, auditKeyFile } from '../files/data-folder.ts';
import { Failure, misused } from './failure.ts';

export type VerifyCommandOptions = {
  key?: string[];
  checkpoint?: string[];
  newestWithin?: string;
  witnesses?: string;
  json?: boolean;
};

const NOT_WHOLE = 3;
const NOT_COMPARED = 4;
const FINDINGS_SHOWN = 20;

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    throw new Failure(`${path} cannot be read.`);
  }
}

/** The settings of verifying and proving, for the help. Code that reads another does not compile. */
export const VERIFY_SETTINGS = [
  'AUDIT_DIR',
  'AUDIT_KEY_FILE',
  'AUDIT_WITNESSES',
] as const satisfies readonly (keyof Configuration)[];

type VerifyConfiguration = Pick<Configuration, 'DATA_DIR' | (typeof VERIFY_SETTINGS)[number]>;

/** The keys that sign, and earlier ones. */
type Keys = { keys: VerifierKey[]; retiredKeys: VerifierKey[] };

function sortKeys(all: readonly (VerifierKey | RetiredKey)[]): Keys {
  const sorted: Keys = { keys: [], retiredKeys: [] };
  for (const key of all) {
    if ('retiredAt' in key) sorted.retiredKeys.push(key.verifierKey);
    else sorted.keys.push(key);
  }
  return sorted;
}

/** Keys as given: each is the text itself, or a file with one on each line. */
function givenKeys(given: readonly string[]): Keys {
  const all = given.flatMap((text) => {
    const own = parsePublicKey(text);
    if (own !== undefined) return [own];
    const lines = asWritten(readFile(text)).toString().split('\n');
    return lines
      .filter((line) => line.trim() !== '')
      .map((line) => {
        const key = parsePublicKey(line);
        if (key !== undefined) return key;
        throw misused(`--key: ${text} is neither a public key (NAME+ID+KEY) nor a file of them.`);
      });
  });
  return sortKeys(all);
}

async function keysFor(configuration: VerifyConfiguration, given: string[]): Promise<Keys> {
  if (given.length > 0) return givenKeys(given);
  const path = auditKeyFile(configuration);
  try {
    const keys = (await readKeys(path)).map(({ verifierKey }) => verifierKey);
    return { keys, retiredKeys: retiredKeysOf(path).map(({ verifierKey }) => verifierKey) };
  } catch {
    throw misused('Give the public key of the log: --key VKEY (cp-flags audit key prints it).');
  }
}

/** The required witnesses: those of a given file, or else of the settings. */
function witnessesFor({ AUDIT_WITNESSES }: VerifyConfiguration, given: string | undefined) {
  const path = given ?? AUDIT_WITNESSES;
  const read = path === undefined ? undefined : readWitnesses(path, 'verify');
  if (read?.kind === 'wrong') throw misused(`--witnesses: ${read.detail}`);
  return read?.witnesses;
}

function print(verification: Verification, tookMs: number, ownKey: boolean): void {
  const { checkpoint, signedBy, from, to, bytes, newest, findings, more, explained } = verification;
  const { uncovered, unusable, witnessed } = verification;
  if (checkpoint !== undefined) {
    console.log(`Log ${checkpoint.origin}, ${figure(checkpoint.size)} entries.`);
    console.log(`Signed by ${signedBy.join(' and ')}.`);
    if (witnessed !== undefined) {
      const since = checkpoint.size - witnessed.size;
      const by = witnessed.by
        .map(({ name, at }) => `${name} at ${zonedTimeText(at)}`)
        .join(' and ');
      const later =
        since > 0 ? `; ${counted(since, 'later one is', 'later ones are')} not yet` : '';
      console.log(
        `Witnessed: ${counted(witnessed.size, 'entry', 'entries')} by ${by || 'nobody'}${later}.`,
      );
    }
    if (ownKey) {
      console.log(
        'Its key was read from the data folder. For evidence, verify with --key and a key that you got from elsewhere.',
      );
    }
    const rate = tookMs > 0 ? Math.round(((to - from) / tookMs) * 1000) : 0;
    const read = `${figure(to - from)} entries, ${figure(Math.ceil(bytes / 1_048_576))} MiB, in ${(tookMs / 1000).toFixed(1)} s`;
    console.log(`Read ${read} (${figure(rate)} a second).`);
    if (newest > 0) console.log(`The youngest event is from ${zonedTimeText(newest)}.`);
  }
  for (const { detail } of explained) console.log(`Explained: ${detail}`);
  if (uncovered > 0) {
    console.log(
      `Not covered: ${counted(uncovered, 'entry', 'entries')} past the checkpoint, as in a copy made while the log was written to. A newer checkpoint covers them.`,
    );
  }
  for (const { detail } of unusable) {
    console.log(`Not compared: ${detail} That says nothing about the log.`);
  }
  if (findings.length === 0) {
    console.log('WHOLE: nothing is missing, changed, added or out of place.');
    return;
  }
  console.log(`NOT WHOLE: ${counted(findings.length + more, 'finding', 'findings')}.`);
  for (const { kind, detail } of findings.slice(0, FINDINGS_SHOWN)) {
    console.log(`  ${kind}: ${detail}`);
  }
  const hidden = findings.length + more - FINDINGS_SHOWN;
  if (hidden > 0) console.log(`  and ${figure(hidden)} more; --json lists them.`);
}

function checkProof(
  proof: Buffer,
  keys: readonly VerifierKey[],
  { witnesses, json }: { witnesses: Witnesses | undefined; json: boolean },
): number {
  const verified = verifyProof(
    proof,
    keys,
    witnesses?.all.map(({ key }) => key),
  );
  if (json) {
    console.log(
      JSON.stringify(verified, (key, value: unknown) => (key === 'root' ? undefined : value), 2),
    );
  } else if (verified.kind === 'proven') {
    const { checkpoint, signedBy, witnessedBy, falselyWitnessedBy, index, entry } = verified;
    console.log(
      `PROVEN: this event is entry ${index} of ${checkpoint.origin}, signed at ${checkpoint.size} entries.`,
    );
    console.log(`Signed by ${signedBy.join(' and ')}.`);
    if (witnesses !== undefined) {
      const by = witnessedBy.map(({ name, at }) => `${name} at ${zonedTimeText(at)}`).join(' and ');
      console.log(`Witnessed by ${by || 'nobody'}.`);
    }
    for (const name of falselyWitnessedBy) {
      console.log(`The signature of witness ${name} is not over this checkpoint.`);
    }
    console.log(entry);
  } else {
    console.log(`NOT PROVEN: ${verified.detail}`);
  }
  return verified.kind === 'proven' ? 0 : NOT_WHOLE;
}

/**
 * `cp-flags audit verify`: a log, or a proof, from only its public files and a public key. Returns the exit
 * code: 0 whole, 3 not whole, 4 whole as far as known, but not compared with every given checkpoint.
 */
export async function auditVerify(
  configuration: VerifyConfiguration,
  path: string | undefined,
  { key = [], checkpoint = [], newestWithin, witnesses, json = false }: VerifyCommandOptions,
): Promise<number> {
  const place = path ?? auditFolder(configuration);
  const { keys, retiredKeys } = await keysFor(configuration, key);
  const stats = statSync(place, { throwIfNoEntry: false });
  if (stats === undefined) throw new Failure(`There is no log in ${place}.`);
  const required = witnessesFor(configuration, witnesses);
  if (stats.isFile()) {
    return checkProof(readFile(place), [...keys, ...retiredKeys], { witnesses: required, json });
  }

  const hours = newestWithin === undefined ? undefined : Number(newestWithin);
  if (hours !== undefined && !(hours > 0))
    throw misused('--newest-within takes a number of hours.');
  const before = performance.now();
  const verification = await verifyLog({
    folder: place,
    keys,
    retiredKeys,
    old: checkpoint.map((name) => ({ name, note: readFile(name) })),
    witnesses: required,
    ...(hours !== undefined && { newestWithinHours: hours }),
  });
  const tookMs = performance.now() - before;
  if (json) {
    const { checkpoint: signed, ...rest } = verification;
    const log = signed && {
      origin: signed.origin,
      size: signed.size,
      root: Buffer.from(signed.root, 'latin1').toString('base64'),
    };
    console.log(JSON.stringify({ log, ...rest }, null, 2));
  } else {
    print(verification, tookMs, key.length === 0);
  }
  if (verification.findings.length > 0) return NOT_WHOLE;
  return verification.unusable.length > 0 ? NOT_COMPARED : 0;
}

const AUDIT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `cp-flags audit prove`: a proof, on stdout, that an event is in the log. */
export async function auditProve(
  configuration: VerifyConfiguration,
  auditId: string,
  { dir, key = [], entry }: { dir?: string; key?: string[]; entry?: string },
): Promise<void> {
  if (!AUDIT_ID.test(auditId)) throw misused('AUDIT_ID is the auditId of an answer, a UUID.');
  const folder = dir ?? auditFolder(configuration);
  const { keys } = await keysFor(configuration, key);
  try {
    const found = findEntries(folder, keys, auditId);
    const index = entry === undefined ? found[0] : found.find((one) => String(one) === entry);
    if (index === undefined) {
      throw new Failure(
        `No sealed event has this audit id${entry === undefined ? '' : ` at entry ${entry}`}. Events are sealed within seconds of the answer; those beyond the retention are pruned.`,
      );
    }
    process.stdout.write(proveEntry(folder, keys, index));
    const others = found.filter((one) => one !== index);
    if (others.length > 0) {
      console.error(
        `cp-flags: This proves entry ${index}. Other entries have the same audit id: ${others.join(', ')}. Prove them with --entry.`,
      );
    }
  } catch (error) {
    throw error instanceof NoProof ? new Failure(error.message) : error;
  }
}
