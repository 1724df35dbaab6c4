import { z } from 'zod';
import { numbersIn } from '../nhs-number.ts';

/** How a case on an access stands. The last two are the end of it. */
export const CASE_STATES = ['under-inquiry', 'breach-proposed', 'explained', 'breach'] as const;
export type CaseState = (typeof CASE_STATES)[number];

export const isEnded = (state: CaseState): boolean => state === 'explained' || state === 'breach';

/** What somebody does to a case. Only `erase` removes its notes. */
export const CASE_STEPS = [
  'inquire',
  'note',
  'explain',
  'propose-breach',
  'withdraw-breach',
  'confirm-breach',
  'erase',
] as const;
export type CaseStep = (typeof CASE_STEPS)[number];

/** Steps with which a case may begin. */
export const FIRST_STEPS = ['inquire', 'explain', 'propose-breach'] as const satisfies CaseStep[];

/** What must be known about a case to judge a step; people by their keys. */
type JudgedCase = {
  state: CaseState | undefined;
  /** Who made the access. */
  about: string;
  /** Who proposed to call it a breach, while that waits for somebody else. */
  proposedBy?: string | undefined;
};

export type JudgedStep =
  | { kind: 'allowed'; state: CaseState }
  | { kind: 'refused'; why: 'own-access' | 'second-person' | 'not-now' };

const LEADS_TO: Record<
  Exclude<CaseStep, 'erase'>,
  Partial<Record<CaseState | 'none', CaseState>>
> = {
  inquire: { none: 'under-inquiry' },
  note: { 'under-inquiry': 'under-inquiry', 'breach-proposed': 'breach-proposed' },
  explain: { none: 'explained', 'under-inquiry': 'explained' },
  'propose-breach': { none: 'breach-proposed', 'under-inquiry': 'breach-proposed' },
  'withdraw-breach': { 'breach-proposed': 'under-inquiry' },
  'confirm-breach': { 'breach-proposed': 'breach' },
};

/**
 * Whether somebody may take a step: nobody on their own access, and a breach takes two people. `state` is
 * undefined for a case that does not exist yet.
 */
export function judgeStep(
  { state, about, proposedBy }: JudgedCase,
  step: Exclude<CaseStep, 'erase'>,
  actor: string,
): JudgedStep {
  if (actor === about) return { kind: 'refused', why: 'own-access' };
  const next = LEADS_TO[step][state ?? 'none'];
  if (next === undefined) return { kind: 'refused', why: 'not-now' };
  return step === 'confirm-breach' && actor === proposedBy
    ? { kind: 'refused', why: 'second-person' }
    : { kind: 'allowed', state: next };
}

const hasNhsNumber = (text: string): boolean =>
  numbersIn(text.normalize('NFKC')).some(({ isValid }) => isValid);

/** The note at a step of a case: one line, and no NHS number in it. */
export const caseWordsSchema = z
  .string()
  .trim()
  .min(1, { error: 'must not be empty' })
  .max(500, { error: 'must be at most 500 characters' })
  .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u, { error: 'must have no control characters' })
  .regex(/^[^\u202a-\u202e\u2066-\u2069]*$/u, {
    error: 'must have no characters that change the direction of text',
  })
  .refine((text) => !hasNhsNumber(text), { error: 'must hold no NHS number' });
