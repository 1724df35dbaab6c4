import { type CalendarDate, longDateText } from '../calendar.ts';
import { PLAN_TYPES, type PlanType } from '../plans/plan.ts';
import { zonedTimeText } from './times.ts';

/** The pages on which a council withdraws a flag. */
export const WITHDRAWALS = {
  title: 'Withdraw a flag on the wrong child',
  lead: 'If one of your plans is under the wrong NHS number, do not wait for tonight’s file. Two people from your council can withdraw it here.',
  begin: 'Withdraw a flag',
  list: 'Withdrawals',
  none: 'Nothing has been withdrawn.',
  columns: ['When', 'Plan', 'Local id', 'Asked for by', 'Status'],
  number: 'NHS number that has the wrong flag',
  numberHint: 'For an unborn baby’s plan, enter the mother’s number.',
  find: 'Show our plans under this number',
  noneFound:
    'None of your plans is shown under this number. Check the number. If the plan is another council’s, ring that council.',
  choose: 'Which plan is on the wrong child?',
  chooseWrong: 'Choose the plan',
  again: 'Type the NHS number again',
  againHint: 'Take it from your case system, not from this page.',
  againWrong: 'This is not the number you typed first. Check it in your case system',
  urgent: 'It cannot wait for a second person',
  urgentHint:
    'The flag is removed at once, with nobody to check what you did. This is recorded in the audit, and your colleagues can see it here.',
  thenNone:
    'Lookups of this number will then show no plan from your council. If another council has a plan for this child, it is still shown.',
  thenOthers: (plans: number) =>
    `Lookups will still show ${plans === 1 ? 'your other plan' : `your ${plans} other plans`} under this number. Withdraw each plan that is wrong.`,
  ask: 'Ask to withdraw this flag',
  plan: (type: PlanType, startDate: CalendarDate) =>
    `${PLAN_TYPES[type].label}, started ${longDateText(startDate)}`,
  localId: 'Local id',
  noLocalId: 'none',
  reason: 'Reason given',
  asked: 'Asked for by',
  decided: {
    declined: 'Declined by',
    withdrawn: 'Confirmed by',
    urgent: 'Withdrawn urgently, by one person',
  },
  undone: 'Undone by',
  standing: 'Status',
  waiting:
    'The flag is still shown. A second person from your council has to confirm this. Ask a colleague to sign in. This request is on their first page.',
  confirm: 'Confirm as the second person',
  confirmLead:
    'Find the child in your case system yourself. Does this plan really belong to another child?',
  confirmNumber: 'NHS number that has the wrong flag',
  confirmNumberHint:
    'Take it from your case system. It is not shown here, so that two people check it.',
  confirmButton: 'Withdraw the flag now',
  decline: 'If the flag is right, or this was a mistake',
  declineButton: 'Leave the flag as it is',
  undo: 'Show the plan again',
  undoLead: (time: string) =>
    `One person can undo this until ${time}. Lookups then show the plan as it is in your files.`,
  undoButton: 'Undo the withdrawal',
  tooLate:
    'You can no longer undo this. To show the plan again, delete it in your case system and send us a file that says so. Then enter the plan again and send it.',
  sentAgain:
    'Your case system has sent this plan again since, but it is still not shown. If the withdrawal is right, delete the plan in your case system. If the plan is right, undo the withdrawal.',
  looks: 'Who was shown one of your plans for this child',
  looksTable: 'Looks from unscheduled care',
  looksLead:
    'Ring anybody who may have acted on the wrong flag. Silent reads from scheduled care are not listed here. Ask the Caldicott Guardian of the organisation that runs this service to find them.',
} as const;

/** What a council reads when it withdraws a flag that it put on the wrong child. */
export const WITHDRAWAL = {
  done: 'The plan is withdrawn. Lookups do not show it from now on.',
  doneBefore: (name: string, at: string) =>
    `${name} withdrew this plan at ${zonedTimeText(at)}. Lookups do not show it, and nothing was changed now.`,
  settles:
    'Delete it in your case system too. Until you do, each file sends it again, and each acknowledgement says so.',
  undone: 'The withdrawal is undone. Lookups show the plan again, as it is in your files.',
  noSuchPlan: 'None of this council’s plans is shown under this number. Nothing was changed.',
  refused: {
    'no-such-plan':
      'None of this council’s plans is shown under this number any more. Nothing was changed.',
    'same-person': 'A second person from the council has to confirm this. Nothing was changed.',
    'other-number':
      'This is not the NHS number that the withdrawal was asked for. Check it in your case system. Nothing was changed.',
    gone: 'This request is no longer open. It was decided on, or nobody confirmed it within seven days. Nothing was changed.',
    'too-many':
      'Your council has withdrawn ten flags within a day, which is the most that can be withdrawn here. To remove more, send a file with delete dates, or ring the team that runs this service. Nothing was changed.',
    busy: 'A file from your council is being loaded, or a colleague is changing a withdrawal. Try again in a minute. Nothing was changed.',
  },
  notUndone: {
    gone: 'This withdrawal does not exist. Nothing was changed.',
    'too-late':
      'The plan was withdrawn more than 30 days ago. To show it again, delete it in your case system and send us a file that says so. Then enter the plan again and send it.',
    settled:
      'Since then your case system has deleted this plan, left it out of a full refresh, or sent it as another child’s. There is nothing to undo.',
    busy: 'A file from your council is being loaded, or a colleague is changing a withdrawal. Try again in a minute. Nothing was changed.',
  },
  sentAgain: 'files have sent it again since, and it is not shown',
  standing: {
    waiting: 'waiting for a second person: the plan is shown',
    'cut-short': 'not done so far: if it still says so in a minute, withdraw it again',
    lapsed: 'nobody confirmed it in time: the plan is shown',
    declined: 'declined: the plan is shown',
    'being-withdrawn':
      'being withdrawn, which cannot be stopped: until it is done, the plan may still be shown',
    'in-force': 'withdrawn: the plan is not shown',
    settled: 'settled by the case system',
    'being-undone':
      'being undone, which cannot be stopped: until it is done, the plan may still be missing',
    undone: 'undone: the plan is shown',
  },
} as const;
