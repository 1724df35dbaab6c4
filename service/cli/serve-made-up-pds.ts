import { createPublicKey, generateKeyPair } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { importSPKI } from 'jose';
import { parseCsv } from '#loaders/formats/csv/lines.ts';
import { type MadeUpRecord, startMadeUpPds } from '#loaders/synthetic/made-up-pds.ts';
import { readOrMakePrivate, writePrivate } from '../files/private-file.ts';
import { Failure, misused } from './failure.ts';
import { whenToldToStop } from './signals.ts';

const FORCED_EXIT = 130;
const API_KEY = 'made-up';
const LINE_AT_MOST = 4_096;

/** `cp-flags made-up-pds`. Resolves once it was told to stop. */
export async function serveMadeUpPds({
  register,
  out,
  port,
}: {
  register: string;
  out: string;
  port: string;
}): Promise<void> {
  if (!/^[0-9]{1,5}$/.test(port)) throw misused('--port must be a number.');
  const records = await readRecords(register);
  const keyFile = resolve(join(out, 'key.pem'));
  // From an earlier start, so that a running service continues with it.
  const privateKey = await readOrMakePrivate(keyFile, async () => {
    const made = await promisify(generateKeyPair)('rsa', {
      modulusLength: 4096,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    return made.privateKey;
  });
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  const pds = await startMadeUpPds({
    port: Number(port),
    apiKey: API_KEY,
    publicKey: await importSPKI(publicKey.toString(), 'RS512'),
    records,
  }).catch((error: unknown) => {
    throw new Failure(
      `Nothing can listen on port ${port} (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}).`,
    );
  });
  const settings = [
    'TRACING=pds',
    `PDS_URL=${pds.url}`,
    `PDS_API_KEY=${API_KEY}`,
    'PDS_KEY_ID=made-up-1',
    `PDS_KEY_FILE=${keyFile}`,
  ];
  const path = join(out, 'pds.env');
  await writePrivate(path, `${settings.join('\n')}\n`);
  console.log(
    `A made-up PDS knows ${records.size} numbers and listens on ${pds.url}. The settings are in ${path}. Ctrl-C stops it.`,
  );
  await new Promise<void>((done) => {
    whenToldToStop(done, () => process.exit(FORCED_EXIT));
  });
  await pds.close();
}

/** The people of a register, by the number that is asked for. */
async function readRecords(path: string): Promise<Map<string, MadeUpRecord>> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new Failure(`${path} cannot be read.`);
  });
  const records = new Map<string, MadeUpRecord>();
  const lines = parseCsv<Record<string, string>>(one(text), {
    columns: (header) => header.map((name) => name.trim()),
    lineAtMost: LINE_AT_MOST,
  });
  try {
    for await (const batch of lines) {
      for (const { cells } of batch) {
        const { nhs_number: nhsNumber = '', status, replaced_by: replacedBy = '' } = cells;
        const {
          date_of_birth: dateOfBirth = '',
          given_name: given = '',
          family_name: family = '',
        } = cells;
        const person = { dateOfBirth, names: [{ given: given.split(' '), family }] };
        records.set(nhsNumber, recordOf(nhsNumber, status, replacedBy, person));
      }
    }
  } catch {
    throw new Failure(`${path} is not a register as cp-flags generate --register writes it.`);
  }
  return records;
}

function recordOf(
  nhsNumber: string,
  status: string | undefined,
  replacedBy: string,
  person: { dateOfBirth: string; names: { given: string[]; family: string }[] },
): MadeUpRecord {
  switch (status) {
    case 'inactive':
      return 'invalidated';
    case 'sensitive':
      return { nhsNumber, security: 'R' };
    case 'superseded':
      return { nhsNumber: replacedBy, ...person };
    default:
      return { nhsNumber, ...person };
  }
}

async function* one(text: string): AsyncGenerator<string> {
  yield text;
}
