import { type CalendarDate, longDateText } from '../calendar.ts';
import { PLAN_TYPES, type PlanType } from '../plans/plan.ts';

/** Of the pages on which a council withdraws a flag. */
export const WITHDRAWALS = {
  title: 'Withdraw a flag on the wrong child',
  lead: 'If a plan of yours is under the wrong NHS number, do not wait for tonight’s file. Two people of your council withdraw it here.',
  begin: 'Withdraw a flag',
  list: 'Asked for and withdrawn',
  none: 'Nothing has been withdrawn.',
  columns: ['When', 'Plan', 'Local id', 'Asked by', 'How it stands'],
  open: 'Open',
  number: 'NHS number that has the wrong flag',
  numberHint: 'For an unborn baby’s plan, the mother’s.',
  numberWrong: 'Enter an NHS number: ten digits. Check each of them',
  find: 'Show our plans under this number',
  noneFound:
    'No plan of yours that is shown is held under this number. Check the number. If the plan is another council’s, ring that council.',
  choose: 'Which plan is on the wrong child?',
  chooseWrong: 'Choose the plan',
  again: 'Type the NHS number again',
  againHint: 'From your case system, not from this page.',
  againWrong: 'This is not the number that you typed first. Check it in your case system',
  urgent: 'It cannot wait for a second person',
  urgentHint:
    'The flag is taken off at once on your word alone. The audit says so, and your colleagues see it here.',
  thenNone:
    'Look-ups will then say: no plan. Another council’s plan for this child, if there is one, stays shown.',
  thenOthers: (plans: number) =>
    `Look-ups will then go on showing ${plans === 1 ? 'your other plan' : `your ${plans} other plans`} under this number. Withdraw each that is wrong.`,
  ask: 'Ask for it to be withdrawn',
  plan: (type: PlanType, startDate: CalendarDate) =>
    `${PLAN_TYPES[type].label}, started ${longDateText(startDate)}`,
  localId: 'Local id',
  noLocalId: 'none',
  reason: 'Reason given',
  asked: 'Asked by',
  decided: {
    declined: 'Declined by',
    withdrawn: 'Confirmed by',
    urgent: 'Withdrawn by one person, urgently',
  },
  undone: 'Undone by',
  standing: 'How it stands',
  waiting:
    'The flag is still shown. A second person of your council has to confirm this: ask a colleague to sign in and open this page.',
  confirm: 'Confirm as the second person',
  confirmLead:
    'Look the child up in your case system yourself. Is this plan really another child’s?',
  confirmNumber: 'NHS number that has the wrong flag',
  confirmNumberHint: 'From your case system. It is not shown here, so that two people have looked.',
  confirmButton: 'Withdraw the flag now',
  decline: 'The flag is right, or this was a mistake',
  declineButton: 'Leave the flag as it is',
  undo: 'Show the plan again',
  undoLead: (time: string) =>
    `Until ${time} one person can undo this. Look-ups then show the plan as your files have it.`,
  undoButton: 'Undo the withdrawal',
  tooLate:
    'It can no longer be undone. To show the plan again, delete it in your case system, send that, and send it again.',
  sentAgain:
    'Your case system has sent this plan again since, and it is still not shown. If the withdrawal is right, delete the plan in your case system. If the plan is right, undo the withdrawal.',
  looks: 'Who was shown a plan of yours for this child',
  looksTable: 'Looks from unscheduled care',
  looksLead:
    'Ring those who may have acted on the wrong flag. Silent reads from planned care are not listed here: the Caldicott Guardian of the organisation that runs this service finds those.',
  failed: 'The service failed in the middle of this',
  failedThen:
    'Open the list in a minute. If it does not stand there as you wanted it, do it again.',
} as const;

/** About flags that a council put on the wrong child: what it is told of withdrawing one. */
export const WITHDRAWAL = {
  done: 'The plan is withdrawn. Lookups do not show it from now on.',
  settles:
    'Delete it in your case system too: until then each file sends it again, and each acknowledgement says so.',
  undone: 'The withdrawal is undone. Lookups show the plan again, as your files have it.',
  noSuchPlan:
    'No plan of this council that is shown is held under this number. Nothing was changed.',
  refused: {
    'no-such-plan':
      'No plan of this council that is shown is held under this number any more. Nothing was changed.',
    'same-person': 'A second person of the council has to confirm this. Nothing was changed.',
    'other-number':
      'This is not the NHS number that the withdrawal was asked for. Check it in your case system. Nothing was changed.',
    gone: 'This request is not there any more: it was decided on, or nobody confirmed it within seven days. Nothing was changed.',
    'too-many':
      'Your council has withdrawn ten flags within a day, and more are not taken: they would be no single mistakes. Send a file with delete dates, or ring the operator. Nothing was changed.',
    busy: 'A file of your council is being loaded just now, or a colleague is changing a withdrawal. Try again when that is done. Nothing was changed.',
  },
  notUndone: {
    gone: 'There is no such withdrawal. Nothing was changed.',
    'too-late':
      'It was withdrawn more than 30 days ago. To show the plan again, delete it in your case system, send that, and send it again.',
    settled:
      'Your case system has deleted this plan in the meantime, left it out of a full refresh or sent it as that of another child. There is nothing to undo.',
    busy: 'A file of your council is being loaded just now, or a colleague is changing a withdrawal. Try again when that is done. Nothing was changed.',
  },
  sentAgain: 'files have sent it again since, and it is not shown',
  standing: {
    waiting: 'waits for a second person',
    lapsed: 'nobody confirmed it in time: it is shown',
    declined: 'declined: it is shown',
    'in-force': 'withdrawn: it is not shown',
    settled: 'settled by the case system',
    undone: 'undone: it is shown',
  },
} as const;
