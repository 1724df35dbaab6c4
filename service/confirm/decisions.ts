import { randomUUID } from 'node:crypto';
import type { NamedPerson } from '#schemas/audit/named-person.ts';
import type { OwnCheck } from '#schemas/status.ts';
import { CONFIRMED } from '#schemas/wording/confirmations.ts';
import { COPY } from '#schemas/wording/copy.ts';
import { SEALING } from '#schemas/wording/operations.ts';
import { DECISIONS } from '#schemas/wording/operator-decisions.ts';
import { VERIFIER } from '#schemas/wording/store.ts';
import { orderOneCopy, readCopyOrder, requireTwoCopies } from '#store/audit-stream/copy-orders.ts';
import { sealedBeyond } from '#store/audit-stream/sealed-size.ts';
import { readDataset } from '#store/authorities/dataset.ts';
import type { ReplicaRule } from '#store/connection/acknowledged.ts';
import type { Confirmation } from '#store/errors.ts';
import { lookAtPromotion } from '#store/trust/confirm.ts';
import type { ReadinessCheck } from '#store/trust/readiness.ts';
import { orderSingleMode, replicasNow, requireReplicas } from '#store/trust/replica-orders.ts';
import type { StoreVerifier } from '#store/trust/verifier.ts';
import { streamName } from '../audit/log/entry.ts';
import { lookWhenFree } from '../audit/log/when-free.ts';
import { acceptGap, lookAtGap, subjectOfGap } from './accept-gap.ts';
import {
  type ConfirmationPlace,
  type Decided,
  decideClock,
  decideOldCopy,
  decidePromotion,
  lookAtOldCopy,
  sealedNumbers,
  storeFault,
} from './confirmations.ts';

/** What only a named person decides. */
export const DECISION_NAMES = [
  'promotion',
  'old-copy',
  'clock',
  'gap',
  'replicas',
  'copy',
] as const;
export type DecisionName = (typeof DECISION_NAMES)[number];
/** What keeps the store closed, or stops the sealing, until somebody decides. */
export type AwaitedName = Confirmation | 'gap';

/** What there is to decide, in sentences. */
export type Matter = {
  kind: 'matter';
  /** What exactly it is about: a form made for one server, for instance, decides nothing about the next. */
  subject: string;
  happened: readonly string[];
  lost: readonly string[];
  before: readonly string[];
  after: readonly string[];
  submit: string;
  /** The command that does the same. */
  command: string;
};
type Nothing = { kind: 'nothing'; says: readonly string[] };

/** Who decides, and who agreed if the decision needs that. */
type DecidingPerson = NamedPerson & { agreedBy?: string };

export type Decisions = {
  /** What waits for a named person. */
  waiting: () => Promise<AwaitedName[]>;
  look: (name: DecisionName) => Promise<Matter | Nothing>;
  /** Decides, unless it is no longer about `subject`. Several are done one after the other. */
  decide: (name: DecisionName, subject: string, named: DecidingPerson) => Promise<Decided>;
  /** Keeps what was done. Returns the name under which {@link said} has it. */
  keep: (says: string) => string;
  /** `at` in milliseconds. */
  said: (id: string) => { says: string; at: number } | undefined;
};

type DecisionsPlace = ConfirmationPlace & {
  verifier: StoreVerifier;
  /** Its writes wait for no replica. */
  alone: ConfirmationPlace['connection'];
  /** How many replicas answers wait for; 0 if none. */
  replicas: number;
  /** Who promotes them; `undefined` if they are promoted by hand. */
  sentinels: Pick<NonNullable<ReplicaRule['sentinels']>, 'agree'> | undefined;
  /** Whether AUDIT_COPY is set. */
  hasCopy: boolean;
  storeChecks: () => readonly ReadinessCheck[];
  own: () => readonly OwnCheck[];
  /** Whether another worker has taken over, if there is only one at a time. */
  isReplaced?: (() => Promise<boolean>) | undefined;
};

const nothing = (...says: string[]): Nothing => ({ kind: 'nothing', says });
const refused = (says: string): Decided => ({ kind: 'refused', says });
const isoOf = (at: number): string => new Date(at).toISOString();

const OF_REPLICAS: ReadonlySet<string> = new Set([
  'replicas',
  'single-mode',
  'replica-servers',
  'sentinels',
]);

/** Each look reads the store afresh. Only the last text that was kept can be read again. */
export function createDecisions(place: DecisionsPlace): Decisions {
  const { verifier, connection, alone, anchor, auditFolder, replicas, sentinels, hasCopy } = place;
  const { storeChecks, own } = place;
  /** What was done last: one is enough for the page that follows an act. */
  let kept: { id: string; says: string; at: number } | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const checkOf = (name: string): OwnCheck | undefined => own().find((each) => each.name === name);

  async function isOurs(): Promise<boolean> {
    return (await readDataset(connection))?.dataset.id === anchor.dataset()?.id;
  }

  /** The matter of a confirmation, while the store verifier says that it would open the store. */
  const confirmation = (
    name: Confirmation,
    matter: Omit<Matter, 'kind' | 'happened' | 'submit' | 'command'>,
  ): Matter => ({
    kind: 'matter',
    happened: [verifier.state.detail],
    submit: DECISIONS.submit[name],
    command: `cp-flags confirm ${name}`,
    ...matter,
  });

  const looks: Record<DecisionName, () => Promise<Matter | Nothing>> = {
    async promotion() {
      const found = await lookAtPromotion(connection, anchor, await sealedNumbers(place));
      if (found.kind === 'too-many') return nothing(CONFIRMED.promotion.tooMany(found.missing));
      if (found.kind !== 'promoted') return nothing(CONFIRMED.promotion[found.kind]);
      const { server, missing, lastAlive } = found;
      const { before, after, lost } = DECISIONS.promotion;
      return confirmation('promotion', {
        subject: server,
        lost: lost(missing, isoOf(lastAlive)),
        before,
        after,
      });
    },
    async 'old-copy'() {
      const { subject, lastAlive, known } = await lookAtOldCopy(place);
      const { before, after, lost } = DECISIONS['old-copy'];
      return confirmation('old-copy', {
        subject,
        lost: lost(isoOf(lastAlive), known),
        before,
        after,
      });
    },
    clock() {
      const newest = anchor.newestClock();
      const { before, after, lost } = DECISIONS.clock;
      return Promise.resolve(
        confirmation('clock', {
          subject: String(newest),
          lost: lost(isoOf(newest)),
          before,
          after,
        }),
      );
    },
    async gap() {
      const found = await lookAtGap(place);
      if (found.kind === 'refused') return nothing(found.says);
      const { gaps, beyond, before } = found;
      const { lost, happened, before: first, after } = DECISIONS.gap;
      return {
        kind: 'matter',
        subject: subjectOfGap(found),
        happened: [
          beyond === undefined ? happened : SEALING.oldLog(beyond),
          ...(before === undefined ? [] : [SEALING.otherLog]),
        ],
        lost: [
          ...(beyond === undefined ? [] : [lost.beyond(beyond.here, beyond.sealed)]),
          ...gaps.map((gap) => lost.events(gap.sealed + 1, gap.found - 1, streamName(gap.stream))),
          ...(before === undefined ? [] : [lost.otherLog]),
        ],
        before: first,
        after,
        submit: DECISIONS.submit.gap,
        command: 'cp-flags audit accept-gap',
      };
    },
    async replicas() {
      const words = DECISIONS.replicas;
      if (replicas === 0) return nothing(words.none);
      const { isSingle, attached } = await replicasNow(connection);
      const { submit, before, after } = words[isSingle ? 'end' : 'order'];
      return {
        kind: 'matter',
        subject: isSingle ? 'end' : 'order',
        happened: storeChecks()
          .filter(({ name }) => OF_REPLICAS.has(name))
          .map(({ detail }) => detail),
        lost: isSingle ? words.end.lost(attached, replicas) : words.order.lost,
        before: [
          ...(isSingle || !storeChecks().some(({ name, ok }) => name === 'replicas' && ok)
            ? []
            : [words.works]),
          ...before,
        ],
        after,
        submit,
        command: `cp-flags replicas ${isSingle ? 'require' : 'single'}`,
      };
    },
    async copy() {
      const words = DECISIONS.copy;
      const order = await readCopyOrder(connection);
      if (order.kind === 'none' && !hasCopy) return nothing(words.none);
      const isSingle = order.kind === 'single';
      const { submit, lost, before, after } = words[isSingle ? 'end' : 'order'];
      // With one copy, nothing that a worker needs is copied, so that its check says nothing.
      const inCopy = isSingle ? ['audit-copy'] : ['audit-copy', 'worker-state'];
      // While nothing is sealed, only the check of what a worker keeps there notices that it is away. That check also
      // fails for reasons that have nothing to do with the copy.
      const works =
        !isSingle &&
        checkOf('audit-copy')?.ok === true &&
        checkOf('worker-state')?.isCopyAway !== true;
      return {
        kind: 'matter',
        subject: isSingle ? 'end' : 'order',
        happened: [...inCopy, 'audit-sealed'].flatMap((name) => checkOf(name)?.detail ?? []),
        lost,
        before: [...(works ? [words.works] : []), ...before],
        after,
        submit,
        command: `cp-flags audit copy ${isSingle ? 'require' : 'single'}`,
      };
    },
  };

  const isConfirmation = (name: DecisionName): name is Confirmation =>
    name === 'promotion' || name === 'old-copy' || name === 'clock';

  async function look(name: DecisionName): Promise<Matter | Nothing> {
    if (isConfirmation(name) && verifier.state.confirmation !== name) {
      return nothing(DECISIONS.nothing, verifier.state.detail);
    }
    return looks[name]();
  }

  const ordered = (isNew: boolean, words: { done: string; already: string }): Decided =>
    isNew ? { kind: 'done', says: words.done } : refused(words.already);

  const acts: Record<DecisionName, (named: DecidingPerson, subject: string) => Promise<Decided>> = {
    promotion: (named, subject) => decidePromotion(place, named, subject),
    'old-copy': (named, subject) => decideOldCopy(place, named, subject),
    clock: (named, subject) => decideClock(place, named, Number(subject)),
    gap: ({ agreedBy, ...named }, subject) => acceptGap(place, named, { agreedBy, shown: subject }),
    async replicas(named, subject) {
      const { order, end } = DECISIONS.replicas;
      if (subject !== 'order') return ordered(await requireReplicas(connection, named), end);
      // On a former primary that is cut off, somebody whose session has ended elsewhere may still be let in.
      if (sentinels !== undefined && !(await sentinels.agree())) return refused(order.notPrimary);
      return ordered(await orderSingleMode(alone, anchor, replicas, named), order);
    },
    copy: async (named, subject) =>
      subject === 'order'
        ? ordered(await orderOneCopy(connection, named), DECISIONS.copy.order)
        : ordered(await requireTwoCopies(connection, named), DECISIONS.copy.end),
  };

  /**
   * Like the commands, decisions that rely on the anchor or change it are refused on an old copy of the log, except those
   * about the copy itself. A worker that another has replaced decides nothing.
   */
  async function whyNot(name: DecisionName, subject: string): Promise<string | undefined> {
    if (await place.isReplaced?.()) return COPY.notTheWorker;
    if (!(await isOurs())) return DECISIONS.otherDataset;
    const isAnchored = name === 'promotion' || name === 'clock';
    if (!isAnchored && !(name === 'replicas' && subject === 'order')) return undefined;
    const beyond = await sealedBeyond(connection, () =>
      lookWhenFree(auditFolder, (commits) => commits.size()),
    );
    return beyond && SEALING.oldLog(beyond);
  }

  async function act(name: DecisionName, subject: string, named: DecidingPerson): Promise<Decided> {
    let begun = false;
    try {
      const problem = await whyNot(name, subject);
      if (problem !== undefined) return refused(problem);
      const matter = await look(name);
      if (matter.kind === 'nothing') return refused(matter.says.join(' '));
      if (matter.subject !== subject) return refused(DECISIONS.changed);
      begun = true;
      const decided = await acts[name](named, subject);
      // At once, rather than when the store verifier has rested.
      if (decided.kind === 'done') void verifier.look();
      return decided;
    } catch (error) {
      const why = storeFault(error);
      if (why === undefined) throw error;
      return begun ? { kind: 'unsure', says: why } : refused(why);
    }
  }

  return {
    async waiting() {
      const { opened, detail, confirmation: awaited } = verifier.state;
      const sealing = checkOf('audit-sealed')?.ok !== false;
      const isGap =
        (!opened || !sealing) &&
        detail !== VERIFIER.keptByAnother &&
        (await lookAtGap(place).catch(() => undefined))?.kind === 'gap';
      return [...(awaited === undefined ? [] : [awaited]), ...(isGap ? (['gap'] as const) : [])];
    },
    look,
    decide(name, subject, named) {
      const mine = turn.then(() => act(name, subject, named));
      turn = mine.catch(() => undefined);
      return mine;
    },
    keep(says) {
      kept = { id: randomUUID(), says, at: Date.now() };
      return kept.id;
    },
    said: (id) => (kept?.id === id ? kept : undefined),
  };
}
