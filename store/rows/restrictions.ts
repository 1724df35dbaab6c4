import { hash } from 'node:crypto';
import type { OdsCode } from '#schemas/authority.ts';

const US = '\u001f';
const LETTERS = { whereabouts: 'W', barred: 'B' } as const;

/** What a council keeps back about a child: where it was looked up, or everything from one user. */
export type KeptBack = { kind: 'whereabouts' } | { kind: 'barred'; user: string };

/** One in the store's own form, beside the rows of plans; see `store/functions/common.lua`. */
export function packRestriction(authority: OdsCode, kept: KeptBack): string {
  const user = kept.kind === 'barred' ? hash('sha1', asciiLower(kept.user)) : '';
  return `${authority}${US}${LETTERS[kept.kind]}${US}${user}`;
}

/** The same normalisation as in Lua. */
const asciiLower = (text: string): string =>
  text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** Whether two ids name the same user for restrictions. */
export const isSameUser = (one: string, other: string): boolean =>
  asciiLower(one) === asciiLower(other);

/** Whether a packed row is a restriction rather than a plan. */
export function isRestriction(packed: string): boolean {
  const letter = packed[packed.indexOf(US) + 1];
  return letter === LETTERS.whereabouts || letter === LETTERS.barred;
}

/**
 * The councils that keep back where the child was looked up, from a child's packed rows: the oldest
 * protection first.
 */
export const whereaboutsOf = (rows: readonly string[]): string[] =>
  rows.flatMap((packed) => {
    const [authority = '', letter] = packed.split(US);
    return letter === LETTERS.whereabouts ? [authority] : [];
  });
