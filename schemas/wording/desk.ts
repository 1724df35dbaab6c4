import { waitText } from './durations.ts';

/** What councils, privacy officers and operators read on every one of their pages. */
export const DESK = {
  over: 'You are signed out',
  overThen: 'Nothing was done. Sign in and start again.',
  overSent:
    'The form that you sent may have been acted on. Sign in, and check whether it was before you send it again.',
  overHidden: 'This page is hidden, and nothing more was done. To go on, sign in.',
  signIn: 'Sign in',
  untrusted: 'Nothing was done',
  untrustedThen:
    'The form was not sent from a page of this service, or you have signed in again since you opened it. Open the page and fill in the form again.',
  repeatedThen:
    'The form contained the same field twice. Open the page and fill in the form again.',
  tooMuchThen: 'More was sent than fits into the form. Open the page and shorten what you typed.',
  lateThen:
    'The form did not arrive completely, or came too slowly. Open the page and fill in the form again.',
  usedUp: 'This form has already been sent',
  usedUpThen:
    'It was not acted on a second time. Check whether it was done. If it was not, fill in the form again.',
  busy: 'Settings are being changed by somebody else',
  limited: 'Too many requests',
  limitedThen: (seconds: number) => `Wait ${waitText(seconds)}, then try again.`,
  unavailable: 'This page cannot be shown at the moment',
  unavailableThen: 'The service cannot reach something it needs. Try again in a minute.',
  unavailableSent:
    'If you sent a form, it may have been acted on. Check whether it was before you send it again.',
  blocked: 'You have been stopped from using this service',
  blockedThen:
    'Your access was stopped. Ask your privacy officer or the team that runs this service.',
  notYours: 'This page is not for your role',
  important: 'Important',
  back: 'Go back',
  tryAgain: 'Try again',
  newer: 'Newer',
  older: 'Older',
  pages: 'Pages',
  figures: 'The figures of this chart',
  noFigure: 'none',
  reason: 'Reason',
  reasonHint: 'It is recorded in the audit with your name. Do not name a child or anybody else.',
  numberInText:
    'Leave out anything that looks like an NHS number: ten digits, with or without spaces or other signs between them',
  reasonWrong: (problem: string) => `The reason ${problem}`,
} as const;

/** Each desk: its name, and whom to ask if somebody may not use it. */
export const DESKS = {
  council: {
    name: 'Your council’s flags',
    unavailableThen: DESK.unavailableThen,
    notYoursThen:
      'It is for the data officers of a council. If you are one, ask the team that manages sign-in at your council, or the team that runs this service.',
  },
  officer: {
    name: 'Audit',
    unavailableThen: DESK.unavailableThen,
    notYoursThen:
      'It is for privacy officers and Caldicott Guardians. If you are one, ask the team that runs this service.',
  },
  operator: {
    name: 'Service',
    unavailableThen:
      'The service cannot reach something it needs. If it cannot reach Redis, no lookups are answered and it cannot tell who is signed in.',
    notYoursThen:
      'It is for the team that runs this service, in a role at its own organisation (the setting OPERATOR_ODS_CODE). Ask that team if you need access.',
  },
} as const;
