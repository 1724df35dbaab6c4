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
    busy: 'A file of your council is being loaded just now. Try again when it is done. Nothing was changed.',
  },
  notUndone: {
    gone: 'There is no such withdrawal. Nothing was changed.',
    'too-late':
      'It was withdrawn more than 30 days ago. To show the plan again, delete it in your case system, send that, and send it again.',
    settled:
      'Your case system has deleted this plan in the meantime, left it out of a full refresh or sent it as that of another child. There is nothing to undo.',
    busy: 'A file of your council is being loaded just now. Try again when it is done. Nothing was changed.',
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
