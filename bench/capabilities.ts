import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TracingMemory } from '#loaders/check/tracing/pds/memory.ts';
import { parseNhsNumber } from '#schemas/nhs-number.ts';
import { watchedKeys } from '#service/audit/seal/keys.ts';
import { numberKeyFile, tracingMemoryFile } from '#service/files/data-folder.ts';
import { readOrMakeKey } from '#service/files/private-file.ts';
import { startMeshServer } from '../tests/support/mesh-server.ts';
import { startWitness, witnessesText } from '../tests/support/witness.ts';
import { startProcess } from './processes.ts';

type Settings = Record<string, string>;

/** The settings with which a service uses a capability; external services run in this process. */
export type Started = {
  settings?: Settings;
  /** Answers wait for a replica. */
  replicated?: boolean;
  /** Turns a data folder into what it is once the capability has been on for a while. */
  prepare?: (dataDir: string, children: readonly string[]) => Promise<void>;
  /** Called with the service's data folder once it runs. */
  runs?: (dataDir: string) => void;
  /**
   * Work that a worker does once, and that is not part of a lookup's cost, has begun this many milliseconds after its
   * start.
   */
  begunAfterMs?: number;
  stop?: () => Promise<void>;
};

/** The settings of pages for browsers, with secrets in a folder. */
export function pagesSettings(folder: string): Settings {
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const provider = {
    id: 'staff',
    name: 'Staff',
    issuer: 'https://identity.invalid',
    clientId: 'flags',
    clientSecretFile: 'secret',
  };
  write('secret', 'made-up');
  return {
    SIGN_IN_FILE: write('sign-in.json', JSON.stringify([provider])),
    SESSION_KEYS_FILE: write('keys', randomBytes(32).toString('hex')),
    PUBLIC_URL: 'https://flags.invalid',
  };
}

/** Settings in the form of a file, one on each line. */
const readSettings = (path: string): Settings =>
  Object.fromEntries(
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const cut = line.indexOf('=');
        return [line.slice(0, cut), line.slice(cut + 1)];
      }),
  );

/** A worker reads all rows for numbers that are due to be traced, once `REREAD_SECONDS` have passed. */
const READING_BEGUN_AFTER_MS = 6_000;

/** The worker traces each number once a month: at first all at once, at 5 a second for half a day. */
async function lookedAtAll(dataDir: string, children: readonly string[]): Promise<void> {
  const place = { DATA_DIR: dataDir };
  const key = await readOrMakeKey(numberKeyFile(place));
  const memory = TracingMemory.open(tracingMemoryFile(place), key);
  for (const child of children) {
    const number = parseNhsNumber(child);
    if (number !== undefined) memory.rememberLooked(number, Date.now(), true);
  }
  memory.close();
}

/** Each is given its own folder, which is removed with it. */
const STARTS = {
  replica: async () => ({ replicated: true }),

  async copy(folder: string) {
    const place = join(folder, 'copy');
    mkdirSync(place);
    return { settings: { AUDIT_COPY: place } };
  },

  async witness(folder: string) {
    let keys: ReturnType<typeof watchedKeys> = () => [];
    const witness = await startWitness(() => keys().map(({ verifierKey }) => verifierKey));
    const file = join(folder, 'witnesses');
    writeFileSync(file, witnessesText([witness], 1));
    return {
      settings: { AUDIT_WITNESSES: file },
      runs: (dataDir: string) => void (keys = watchedKeys(join(dataDir, 'audit-key'))),
      stop: () => witness.close(),
    };
  },

  async mesh(folder: string) {
    const server = await startMeshServer();
    return { settings: await server.environment(folder), stop: () => server.stop() };
  },

  async pds(folder: string) {
    const register = join(folder, 'register.csv');
    writeFileSync(
      register,
      'nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n9990000018,,,2019-03-05,Ada,Example\n',
    );
    const pds = await startProcess(
      'service/cli.mjs',
      ['made-up-pds', '--register', register, '--out', folder, '--port', '0'],
      { until: /listens on/ },
    );
    return {
      settings: readSettings(join(folder, 'pds.env')),
      prepare: lookedAtAll,
      begunAfterMs: READING_BEGUN_AFTER_MS,
      stop: () => pds.stop(),
    };
  },
} satisfies Record<string, (folder: string) => Promise<Started>>;

/** What can be measured with and without; pages separately, since a service with made-up data always has them. */
export const CAPABILITIES = [...Object.keys(STARTS), 'pages'] as readonly Capability[];
export type Capability = keyof typeof STARTS | 'pages';

export async function startCapability(name: keyof typeof STARTS): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'cpf-capability-'));
  const started: Started = await STARTS[name](folder);
  return {
    ...started,
    async stop() {
      await started.stop?.();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
