import { type Command, Option } from 'commander';
import { plansNotOver } from '#loaders/upkeep/plans-not-over.ts';
import {
  listWithdrawals,
  UNDONE_WITHIN_DAYS,
  undoWithdrawal,
  withdrawForTwo,
  withdrawnBefore,
  withdrawUrgently,
} from '#loaders/upkeep/withdraw.ts';
import type { OdsCode } from '#schemas/authority.ts';
import { type CalendarDate, longDateText, parseIsoDate } from '#schemas/calendar.ts';
import type { Configuration } from '#schemas/configuration.ts';
import type { NhsNumber } from '#schemas/nhs-number.ts';
import { PLAN_TYPES, type PlanType, planTypes } from '#schemas/plans/plan.ts';
import type { PlanRow } from '#schemas/plans/row.ts';
import { shortTextSchema } from '#schemas/text.ts';
import { zonedTimeText } from '#schemas/wording/times.ts';
import { WITHDRAWAL } from '#schemas/wording/withdrawals.ts';
import type { Withdrawal } from '#store/authorities/withdrawals.ts';
import type { Store } from '#store/store.ts';
import type { Anchor } from '#store/trust/anchor.ts';
import { Failure, misused } from './failure.ts';
import {
  holdingsReadHere,
  type Named,
  namedActing,
  readNamed,
  readOdsCode,
  readOption,
} from './named.ts';
import { withNewestStore } from './store.ts';
import { readChild } from './typed-nhs-number.ts';

type WithdrawOptions = Partial<Named> & {
  child?: string;
  type?: PlanType;
  start?: string;
  confirmedBy?: string;
  urgent?: boolean;
  undo?: string;
  list?: boolean;
};

/** What tells the plans of an authority under one number apart, as far as the operator gave it. */
type Asked = { type: PlanType | undefined; start: CalendarDate | undefined };

const isAsked =
  ({ type, start }: Asked) =>
  (plan: Pick<PlanRow, 'type' | 'startDate'>): boolean =>
    (type === undefined || plan.type === type) && (start === undefined || plan.startDate === start);

/** The one plan meant; `undefined` if none is. */
function only(plans: readonly PlanRow[], asked: Asked): PlanRow | undefined {
  const meant = plans.filter(isAsked(asked));
  if (meant.length < 2) return meant[0];
  const choices = meant.map(({ type, startDate }) => `--type ${type} --start ${startDate}`);
  throw misused(`There are several such plans. Say which: ${choices.join(', or ')}.`);
}

/** Prints the result. */
function printDone(code: OdsCode, done: Awaited<ReturnType<typeof withdrawForTwo>>) {
  if (done.kind !== 'withdrawn') throw new Failure(WITHDRAWAL.refused[done.kind]);
  const { id, decided } = done.withdrawal;
  const says =
    done.again === true && decided !== undefined
      ? WITHDRAWAL.doneBefore(decided.name, decided.at)
      : WITHDRAWAL.done;
  console.log(`${says} ${WITHDRAWAL.settles}`);
  console.log(`Within ${UNDONE_WITHIN_DAYS} days: cp-flags withdraw ${code} --undo ${id}`);
}

async function list(store: Store, anchor: Anchor, code: OdsCode): Promise<void> {
  const all = await listWithdrawals(store, anchor, code);
  if (all.length === 0) console.log(`Authority ${code} has withdrawn nothing.`);
  // Neither number nor local id: operators are shown no child.
  for (const { withdrawal, standing, sentAgain } of all) {
    const { id, type, startDate, asked, decided, urgent } = withdrawal;
    console.log(
      [
        `${id}  ${PLAN_TYPES[type].label}, started ${longDateText(startDate)}: ${WITHDRAWAL.standing[standing]}`,
        `asked for by ${asked.name} at ${zonedTimeText(asked.at)}${urgent ? ', urgently' : ''}`,
        ...(decided === undefined
          ? []
          : [`decided by ${decided.name} at ${zonedTimeText(decided.at)}`]),
        ...(sentAgain ? [WITHDRAWAL.sentAgain] : []),
      ].join('; '),
    );
  }
}

async function withdraw(
  store: Store,
  anchor: Anchor,
  code: OdsCode,
  number: NhsNumber,
  { by, reason }: Named,
  { type, start, confirmedBy, urgent = false }: WithdrawOptions,
): Promise<void> {
  const day = start === undefined ? undefined : parseIsoDate(start);
  if (start !== undefined && day === undefined) throw misused('--start must be a day, 2026-09-14.');
  if (!urgent && confirmedBy === undefined) {
    throw misused('Say who at the council confirms it: --confirmed-by NAME; or --urgent.');
  }
  const first = namedActing(by);
  const second = urgent
    ? first
    : namedActing(readOption('--confirmed-by', shortTextSchema, confirmedBy));
  if (!urgent && second.key === first.key) throw new Failure(WITHDRAWAL.refused['same-person']);
  const asked: Asked = { type, start: day };
  // Before anything is said of the plans under a number, as on the council's own page.
  await store.appendEvent(holdingsReadHere(code, reason));
  const plan = only(await plansNotOver(store, code, number), asked);
  if (plan === undefined) {
    const isMeant = (each: Withdrawal): boolean =>
      each.nhsNumber === number &&
      isAsked(asked)(each) &&
      each.urgent === urgent &&
      each.decided?.key === second.key;
    const before = await withdrawnBefore(store, anchor, code, isMeant);
    if (before.kind === 'no-such-plan') throw new Failure(WITHDRAWAL.noSuchPlan);
    printDone(code, before);
    return;
  }
  if (urgent) {
    printDone(code, await withdrawUrgently(store, anchor, code, plan, reason, first));
    return;
  }
  printDone(code, await withdrawForTwo(store, anchor, code, plan, reason, first, second));
}

/** `cp-flags withdraw`: for a council that cannot use its pages, on its written word. */
async function withdrawFlag(
  configuration: Configuration,
  codeText: string,
  options: WithdrawOptions,
): Promise<void> {
  const code = readOdsCode(codeText);
  if (options.list === true) {
    await withNewestStore(configuration, 'loader', (store, anchor) => list(store, anchor, code));
    return;
  }
  const who = readNamed(options);
  const { undo } = options;
  if (undo !== undefined) {
    await withNewestStore(configuration, 'loader', async (store, anchor) => {
      const { kind } = await undoWithdrawal(
        store,
        anchor,
        code,
        undo,
        who.reason,
        namedActing(who.by),
      );
      if (kind !== 'undone') throw new Failure(WITHDRAWAL.notUndone[kind]);
      console.log(WITHDRAWAL.undone);
    });
    return;
  }
  const child = await readChild(options.child);
  await withNewestStore(configuration, 'loader', (store, anchor) =>
    withdraw(store, anchor, code, child, who, options),
  );
}

export function addWithdrawCommand(program: Command, configuration: () => Configuration): void {
  program
    .command('withdraw')
    .description('Stop showing one flag that a council put on the wrong child, or undo that.')
    .argument('<code>', 'the council’s ODS code')
    .option('--child <->', 'always -: asks for the NHS number, or reads it from standard input')
    .addOption(
      new Option(
        '--type <type>',
        'which plan, if the council has several under this number',
      ).choices(planTypes),
    )
    .option('--start <day>', 'which of them, if several are of this type, such as 2026-09-14')
    .option('--by <name>', 'who at the council asks; goes into the audit')
    .option('--confirmed-by <name>', 'who else at the council has confirmed it')
    .option('--urgent', 'one person alone asks for it; the audit says so')
    .option('--reason <text>', 'why; goes into the audit')
    .option('--undo <id>', 'show it again, within 30 days')
    .option('--list', 'list requests and withdrawals')
    .addHelpText(
      'after',
      `
If files send the plan again, it stays withdrawn, until the case system deletes it, leaves it out of a full
refresh or sends it under another local id. A council can do this itself on its pages.

Examples:
  cp-flags withdraw V145 --child - --by "A. Example" --confirmed-by "B. Example" --reason "typed under a twin's number"
  cp-flags withdraw V145 --child - --type looked-after-child --start 2026-09-14 --urgent --by "A. Example" --reason "..."
  cp-flags withdraw V145 --list
  cp-flags withdraw V145 --undo bcdfghjkmnpq --by "A. Example" --reason "it is this child after all"
`,
    )
    .action((code: string, options: WithdrawOptions) =>
      withdrawFlag(configuration(), code, options),
    );
}
