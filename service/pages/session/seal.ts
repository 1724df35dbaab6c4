import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { ConfigurationError } from '#schemas/configuration.ts';
import { readOrMakeKey } from '../../files/private-file.ts';
import { readSettingText } from '../../files/setting-file.ts';
import { type WatchedFiles, watchFiles } from '../../files/watched-files.ts';

/** What is sealed for one purpose opens for no other. */
type Purpose = 'session' | 'visit' | 'role' | 'look';

export type Sealer = {
  /** JSON of a value, encrypted and authenticated, as base64url. */
  seal: (purpose: Purpose, value: unknown) => string;
  /** The value sealed here for this purpose; `undefined` for anything else. */
  open: (purpose: Purpose, sealed: string) => unknown;
  /** A text that only this service can derive from another. */
  sign: (text: string) => string;
  /** Whether a text is what {@link Sealer.sign} makes, by any of the keys in force. */
  isSigned: (text: string, signature: string) => boolean;
  stop: () => void;
};

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LONGEST = 8_192;

type Key = Record<Purpose | 'sign', Buffer>;

const derived = (secret: Buffer, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, '', `cp-flags pages ${purpose}`, 32));

function keyOf(hex: string): Key {
  const secret = Buffer.from(hex, 'hex');
  return {
    session: derived(secret, 'session'),
    visit: derived(secret, 'visit'),
    role: derived(secret, 'role'),
    look: derived(secret, 'look'),
    sign: derived(secret, 'sign'),
  };
}

function decrypt(key: Buffer, bytes: Buffer): unknown {
  try {
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = Buffer.concat([
      decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)),
      decipher.final(),
    ]);
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}

async function readKeys(path: string): Promise<[Key, ...Key[]]> {
  const text = await readSettingText('SESSION_KEYS_FILE', path);
  const lines = text.split(/\s+/).filter((line) => line !== '');
  const [first, ...others] = lines;
  if (
    first === undefined ||
    lines.length > 2 ||
    !lines.every((line) => /^[0-9a-f]{64}$/i.test(line))
  ) {
    throw new ConfigurationError(
      `SESSION_KEYS_FILE: ${path} must hold one or two lines of 64 hexadecimal digits.`,
    );
  }
  return [keyOf(first), ...others.map(keyOf)];
}

/**
 * Seals by the first key of a file and opens by each, so that keys can be changed without signing anybody
 * out: the new one is put first, the old one removed twelve hours later. Created if it is the process's own.
 *
 * @throws {ConfigurationError} if the file cannot be used
 */
export async function openSealer(
  path: string,
  own: boolean,
  options: { everyMs: number; onProblem: (sentence: string) => void },
): Promise<Sealer> {
  if (own) await readOrMakeKey(path);
  const files: WatchedFiles<[Key, ...Key[]]> = await watchFiles(
    [path],
    () => readKeys(path),
    options,
  );
  const signature = (key: Key, text: string): Buffer =>
    createHmac('sha256', key.sign).update(text).digest();
  return {
    seal(purpose, value) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, files.value[0][purpose], nonce);
      const body = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64url');
    },
    open(purpose, sealed) {
      if (sealed.length > LONGEST || !/^[A-Za-z0-9_-]+$/.test(sealed)) return undefined;
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined;
      for (const key of files.value) {
        const value = decrypt(key[purpose], bytes);
        if (value !== undefined) return value;
      }
      return undefined;
    },
    sign: (text) => signature(files.value[0], text).toString('base64url'),
    isSigned(text, given) {
      const bytes = Buffer.from(given, 'base64url');
      return files.value.some((key) => {
        const right = signature(key, text);
        return bytes.length === right.length && timingSafeEqual(bytes, right);
      });
    },
    stop: files.stop,
  };
}
