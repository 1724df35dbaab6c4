import { readFileSync } from 'node:fs';
import { WITNESSES_FILE } from '#schemas/wording/audit.ts';
import { parseWitnessKey, type WitnessKey } from '../tlog/note.ts';

export type Witness = {
  key: WitnessKey;
  /** Its submission prefix, without a slash at the end; absent in a file used only for verifying. */
  url?: string;
};

/** Who witnesses a log, and how many of them are needed. */
export type Witnesses = {
  all: readonly Witness[];
  /** A checkpoint is witnessed once `required` of these have cosigned it. */
  quorum: readonly WitnessKey[];
  required: number;
};

type ParsedWitnesses =
  | { kind: 'witnesses'; witnesses: Witnesses }
  /** A sentence that names the line. */
  | { kind: 'wrong'; detail: string };

const WITNESSES_AT_MOST = 32;

const wrong = (line: number, detail: string): ParsedWitnesses => ({
  kind: 'wrong',
  detail: WITNESSES_FILE.wrong(line, detail),
});

/** Never without TLS, except on this machine: what a witness says can close the store. */
const ADDRESS =
  /^(https:\/\/[^\s/?#@]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?)(\/[^\s?#]*)?$/;

const parseAddress = (text: string): string | undefined =>
  ADDRESS.test(text) && URL.canParse(text) ? text.replace(/\/+$/, '') : undefined;

/** 0 if it is not one. */
function thresholdOf(text: string, members: number): number {
  if (text === 'any') return 1;
  if (text === 'all') return members;
  return /^[1-9][0-9]?$/.test(text) ? Number(text) : 0;
}

/**
 * Reads a trust policy (C2SP tlog-policy) whose quorum is one witness, or one group of witnesses. Its `log`
 * lines are for other tools.
 */
export function parseWitnesses(text: string): ParsedWitnesses {
  const named = new Map<string, Witness>();
  const groups = new Map<string, { required: number; members: WitnessKey[] }>();
  let quorum: { required: number; members: WitnessKey[] } | undefined;

  for (const [i, whole] of text.split('\n').entries()) {
    const [word, name = '', ...rest] = whole.replaceAll(/^[ \t]+|[ \t\r]+$/g, '').split(/[ \t]+/);
    const line = i + 1;
    if (word === undefined || word === '' || word.startsWith('#') || word === 'log') continue;
    if (word === 'quorum') {
      const witness = named.get(name)?.key;
      const found = witness === undefined ? groups.get(name) : { required: 1, members: [witness] };
      if (found === undefined || quorum !== undefined) {
        return wrong(line, WITNESSES_FILE.quorum);
      }
      quorum = found;
      continue;
    }
    if (named.has(name) || groups.has(name) || name === '' || name === 'none') {
      return wrong(line, WITNESSES_FILE.name);
    }
    if (word === 'witness') {
      const [vkey = '', address, ...more] = rest;
      const key = parseWitnessKey(vkey);
      if (key === undefined || more.length > 0) return wrong(line, WITNESSES_FILE.key);
      const url = address === undefined ? undefined : parseAddress(address);
      if (address !== undefined && url === undefined) return wrong(line, WITNESSES_FILE.url);
      const raw = (of: WitnessKey): string => of.publicKey.export({ format: 'jwk' }).x ?? '';
      if ([...named.values()].some((other) => raw(other.key) === raw(key))) {
        return wrong(line, WITNESSES_FILE.twice);
      }
      if (named.size === WITNESSES_AT_MOST) return wrong(line, WITNESSES_FILE.tooMany);
      named.set(name, { key, ...(url !== undefined && { url }) });
      continue;
    }
    if (word !== 'group') return wrong(line, WITNESSES_FILE.word);
    const [threshold = '', ...names] = rest;
    const members = names.flatMap((member) => named.get(member)?.key ?? []);
    const required = thresholdOf(threshold, names.length);
    const isGroup =
      members.length === names.length &&
      new Set(names).size === names.length &&
      1 <= required &&
      required <= names.length;
    if (!isGroup) return wrong(line, WITNESSES_FILE.group);
    groups.set(name, { required, members });
  }
  if (quorum === undefined) return { kind: 'wrong', detail: WITNESSES_FILE.noQuorum };
  const all = [...named.values()];
  return {
    kind: 'witnesses',
    witnesses: { all, quorum: quorum.members, required: quorum.required },
  };
}

/** Like {@link parseWitnesses}, from a file; if witnesses are to be asked, each needs its address. */
export function readWitnesses(path: string, use: 'ask' | 'verify'): ParsedWitnesses {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return { kind: 'wrong', detail: WITNESSES_FILE.unreadable(path) };
  }
  const parsed = parseWitnesses(text);
  if (parsed.kind === 'wrong') return { kind: 'wrong', detail: `${path}, ${parsed.detail}` };
  const without = parsed.witnesses.all.find(({ url }) => url === undefined);
  if (use === 'ask' && without !== undefined) {
    return { kind: 'wrong', detail: `${path}, ${WITNESSES_FILE.noAddress(without.key.name)}` };
  }
  return parsed;
}
