/** What councils, privacy officers and operators read on every page of theirs. */
export const DESK = {
  over: 'You are signed out',
  overThen: 'Nothing was done. Sign in and start again.',
  signIn: 'Sign in',
  untrusted: 'Nothing was done',
  untrustedThen:
    'The form was not sent from a page of this service, or you signed in again since. Open the page and fill in the form again.',
  repeatedThen: 'The form had a field twice. Open the page and fill in the form again.',
  usedUp: 'This form was sent before',
  usedUpThen: 'What it asked for was not done a second time.',
  limited: 'Too many requests',
  limitedThen: (seconds: number) =>
    `Wait ${seconds === 1 ? '1 second' : `${seconds} seconds`}, then try again.`,
  unavailable: 'This cannot be shown now',
  unavailableThen: 'The service cannot reach what it needs. Try again in a minute.',
  blocked: 'You have been stopped from using this service',
  blockedThen:
    'Your access was stopped. Ask your privacy officer or the team that runs this service.',
  notYours: 'This page is not for your role',
  back: 'Go back',
  newer: 'Newer',
  older: 'Older',
  pages: 'Pages',
  figures: 'The figures of this chart',
  noFigure: 'none',
  reason: 'Reason',
  reasonHint: 'It stands in the audit beside your name. Name no child and nobody else.',
  reasonWrong: (problem: string) => `The reason ${problem}`,
} as const;

/** Of each desk: its name, and whom somebody asks who may not use it. */
export const DESKS = {
  council: {
    name: 'Your council’s flags',
    unavailableThen: DESK.unavailableThen,
    notYoursThen:
      'It is for data officers of a council. Ask your council’s team that manages sign-in, or the team that runs this service.',
  },
  officer: {
    name: 'Audit',
    unavailableThen: DESK.unavailableThen,
    notYoursThen:
      'It is for privacy officers and Caldicott Guardians. Ask the team that runs this service.',
  },
  operator: {
    name: 'Service',
    unavailableThen:
      'The service cannot reach what it needs. Where Redis is away, no lookup is answered, and nobody can be known to be signed in. The address /_status of each process says what is wrong, without signing in.',
    notYoursThen: 'It is for the team that runs this service. Ask them.',
  },
} as const;
