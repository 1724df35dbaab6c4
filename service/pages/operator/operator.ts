import type { OwnCheck } from '#schemas/status.ts';
import { shortTextSchema } from '#schemas/text.ts';
import { OPERATOR } from '#schemas/wording/operator.ts';
import { withTimeTexts } from '#schemas/wording/times.ts';
import type { Blocks } from '#store/blocks.ts';
import type { Figures } from '#store/figures.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import type { Searcher } from '../../audit/search/searcher.ts';
import type { DamageFound } from '../../confirm/damage.ts';
import type { Decisions } from '../../confirm/decisions.ts';
import type { CoverageLimits } from '../../lookup/coverage.ts';
import { withoutNumbers } from '../../telemetry/log.ts';
import type { DeskDependencies } from '../desk/guarded-desk.ts';
import { numberError, readReason } from '../desk/parts.ts';
import type { FieldError } from '../html/parts.ts';
import type { Expiry } from './expiries.ts';
import type { HeldFileWork } from './held-file-work.ts';
import type { Runbook } from './runbook.ts';

/** What Redis says about itself. */
type ServerState = { version: string; attached: readonly string[] };

/** What the operator's pages show and use. */
export type OperatorDependencies = DeskDependencies & {
  readiness: Readiness;
  /** What this process says in `/_status` besides the store. */
  own: () => readonly OwnCheck[];
  /** Whether this process answers lookups itself. */
  looksUp: boolean;
  /** The id of this run of this process. */
  instance: string;
  limits: CoverageLimits;
  figures: Pick<Figures, 'read'>;
  store: Store;
  anchor: Anchor;
  blocks: Blocks;
  searcher: Pick<Searcher, 'ask'>;
  heldFileWork: HeldFileWork;
  /** How long a held file waits at most. */
  heldMs: number;
  /** Folder of our mailbox in MESH; `undefined` if there is none. */
  meshFolder: string | undefined;
  /** Folder of the sealed log, beside which notifications are kept. */
  auditFolder: string;
  /** Issuers and providers whose users can be blocked. */
  issuers: () => readonly string[];
  expiries: () => Promise<readonly Expiry[]>;
  /** `undefined` if Redis does not answer. */
  server: () => Promise<ServerState | undefined>;
  /** How many replicas answers wait for; 0 if none. */
  replicas: number;
  runbook: Runbook;
  decisions: Decisions;
  damage: () => Promise<DamageFound>;
  /** The name of this machine, on which commands of the worker are run. */
  machine: string;
  now?: () => number;
};

/**
 * Words from elsewhere (a council's name, a file's, from MESH or a check) without anything that could be an
 * NHS number, and with times as people write them.
 */
export const said = (text: string): string => withTimeTexts(withoutNumbers(text));

type Read<T> = { kind: 'read'; value: T } | { kind: 'wrong'; errors: FieldError[] };

/** Reads why somebody does something. */
export function readWhy(text: string | undefined): Read<string> {
  const read = readReason(text);
  return read.kind === 'wrong'
    ? { kind: 'wrong', errors: [read.error] }
    : { kind: 'read', value: read.reason };
}

/** Reads the name of somebody who is not here. */
export function readName(field: string, text = ''): Read<string> {
  const { data, error } = shortTextSchema.safeParse(text);
  if (data === undefined) {
    const [issue] = error?.issues ?? [];
    return { kind: 'wrong', errors: [{ field, text: OPERATOR.named(issue?.message ?? '') }] };
  }
  const named = numberError(field, data);
  return named === undefined ? { kind: 'read', value: data } : { kind: 'wrong', errors: [named] };
}
