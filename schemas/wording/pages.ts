// One list, since the states of the pages must be worded alike, and no two of them may be confused.

import { type CalendarDate, longDateText } from '../calendar.ts';
import { counted } from './counts.ts';
import { waitText } from './durations.ts';
import { EXPECTED_NOT_SET, NOT_COVERED } from './lookup.ts';

/**
 * What a clinician reads in a browser, at three in the morning: short, plain, the thing to do first. A check that
 * was made and one that was not never begin alike.
 */

export const SERVICE = 'Child protection flags';
export const DANGER = 'Danger now: 999';
export const DO_NOT_PRINT = 'Do not print.';
export const NOT_A_NO = 'This is not a “no”.';
export const FOOTER =
  'This service works in the manner of CP\u2011IS. It is not connected to CP\u2011IS, and it is not an NHS website.';

/** With its day and month on one line. */
const dateText = (date: CalendarDate): string => longDateText(date).replace(' ', '\u00a0');

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/** A name within a sentence, isolated so that a right-to-left name reverses nothing beside it. */
const named = (name: string): string => (RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);

const enumerated = (all: readonly string[], word = 'and'): string => {
  const names = all.map(named);
  return names.length < 2
    ? names.join('')
    : `${names.slice(0, -1).join(', ')} ${word} ${names.at(-1)}`;
};

/** Words for any one of several councils, some of them named and the rest counted. */
const eitherOf = (councils: readonly string[], more: number): string =>
  enumerated(more > 0 ? [...councils, `one of ${more} others`] : councils, 'or');

/** The frame around every page. */
export const FRAME = {
  skip: 'Skip to main content',
  account: 'Account',
  navigation: 'What you can do here',
  menu: 'Menu',
  changeRole: 'Change role',
  signOut: 'Sign out',
  demo: 'Demo. Every child, council and number here is made up.',
  councils: 'Find a council’s number',
  accessibility: 'Accessibility statement',
  lookUp: 'Look up a child',
  notFound: 'Page not found',
  notFoundThen: 'Check the address, or start again.',
  start: 'Start again',
  /** To the second, so that it is seen that something was tried again. */
  tried: (time: string) => `Tried at ${time}.`,
} as const;

/** Signing in and out. */
export const SIGN_IN = {
  title: 'Sign in',
  lead: 'Look up whether a child has a child protection plan or is in care, and whom to ring.',
  with: (provider: string) => `Sign in with ${provider}`,
  noProvider: 'Nobody can sign in here yet. Ask the team that runs this service.',
  cannot: 'Cannot sign in? You can still ring the council where the child lives.',
  choosePerson: 'Choose who you are',
  choosePersonHint: 'These people are made up. Each shows what a person in that job sees.',
  continue: 'Continue',
  chooseRole: 'Choose your role',
  chooseRoleHint: 'You have more than one role. Choose the one you are working in now.',
  pick: 'Choose one of them',
  stale:
    'This page is out of date: you have opened it in another tab since. Choose again. If this comes back each time, this browser keeps no cookies: ask your IT team',
  signedOut: 'You are signed out',
  signedOutThen: 'Nothing about a child is left on this screen.',
  signedOutShared:
    'On a shared computer, close the browser too. If you signed in with a smartcard, take it with you.',
  signOutFailed: 'You are signed out on this computer',
  signOutFailedThen:
    'The service could not record it everywhere. Close the browser, and do not leave this computer unlocked.',
  stillSignedIn: 'You are still signed in',
  stillSignedInThen:
    'That page was opened before you last signed in. To sign out now, use the button.',
  again: 'Sign in again',
  personas: {
    emergencyDepartment: 'Nurse in an emergency department',
    ambulanceService: 'Paramedic',
    scheduledCare: 'GP in office hours: a look that the council is not told about',
    school: 'Safeguarding lead in a school: is refused',
    authority: 'Data officer of a council',
    teamManager: 'Team manager of the same council',
    privacyOfficer: 'Privacy officer of a hospital',
    caldicottGuardian: 'Caldicott Guardian of the organisation that runs this service',
    operations: 'Operator of this service',
  },
} as const;

/** Why somebody is not let in; each names what was sent and whom to ask. */
export const SIGN_IN_REFUSED = {
  notFinished: 'Sign-in did not finish',
  notFinishedThen:
    'It took too long, was begun in another tab, or was stopped. Nothing is wrong with your account. Sign in again. If this page comes back each time, this browser keeps no cookies: ask your IT team.',
  again: 'Your sign-in arrived twice',
  againThen:
    'That can happen after a double click. If you are let in, this page goes on by itself in a few seconds. If not, sign in again.',
  denied: 'Sign-in was stopped',
  deniedThen: (provider: string) =>
    `${provider} did not let you in. If you did not stop it yourself, ask the people who look after your ${provider} account.`,
  unavailable: 'Sign-in is not working',
  unavailableThen: (provider: string) =>
    `${provider} does not answer as it should. Try again in a minute. If this does not help, tell the team that runs this service.`,
  storeThen:
    'Nothing is wrong with your account. Try again in a minute. If this does not help, tell the team that runs this service.',
  busy: 'Too many sign-ins are failing just now',
  busyThen: (provider: string) =>
    `Nothing is wrong with your account. Wait a minute, then sign in with ${provider} again. If this does not help, tell the team that runs this service.`,
  role: 'You have no role that can be used here',
  roleThen: (provider: string) =>
    `${provider} sent no role, or did not say which one you chose. Sign in again and choose the role you work in. No role to choose? Ask your registration authority.`,
  unreadable: 'What was sent about you cannot be used',
  unreadableThen: (provider: string) =>
    `${provider} let you in, but part of what it sent is missing or has another form than expected. Show this page to the team that runs this service.`,
  activity: 'Your role does not allow you to look up flags',
  activityThen:
    'It needs activity B0107 (unscheduled care) or B0170 (planned care). Ask your registration authority to add it, or choose another role.',
  organisation: 'Your organisation is not registered here',
  organisationThen: (code: string) =>
    `You were sent here with the organisation code ${code}, which is not registered here. Ask the team that runs this service to register ${code}. Do you also work elsewhere? Sign in again and choose a role there.`,
  notCare: 'Your organisation cannot look up flags',
  notCareThen:
    'Flags are shown for the direct care of a patient only. To share or ask about a worry, ring the council where the child lives.',
  assurance: 'You need to sign in more securely',
  assuranceThen: (provider: string) =>
    `Sign in to ${provider} with a smartcard, a security key or another strong way. Ask your registration authority if you have none.`,
  blocked: 'You have been stopped from using this service',
  blockedThen: 'Your access was stopped. Ask your privacy officer or safeguarding lead.',
  waiting: 'If a patient is waiting, ask a colleague to check now, or ring the council.',
  nothingHere: 'There is nothing for your job here yet',
  nothingHereThen:
    'Your sign-in worked, but none of the pages here is for you. Ask the team that runs this service.',
  nothingHereOperate:
    'Your sign-in worked, but the pages for operators are only for roles at the organisation that runs this service (the setting OPERATOR_ODS_CODE). If you have such a role, sign in again and choose it. If not, ask the team that runs this service.',
  sent: 'What was sent',
  sentRows: {
    name: 'Name',
    user: 'User',
    role: 'Role',
    organisation: 'Organisation',
    activities: 'Activities that count here',
    identityAssurance: 'Identity assurance level',
    authenticationAssurance: 'Authentication assurance level',
    provider: 'Signed in with',
    unreadable: 'Cannot be used',
    none: 'none',
  },
  provider: 'The sign-in provider',
  tryAgain: 'Sign in again',
} as const;

/** The form that a number is looked up with. */
export const LOOK_UP = {
  title: 'Look up a child',
  screen: 'Turn the screen away from families.',
  told: 'If the child has a plan, the child’s council is told that you looked.',
  recorded: 'This look is recorded. The council is not told.',
  youAre: 'You are',
  notYou: 'Not you?',
  change: 'Change',
  /** After it, for a reader who does not see what is beside it. */
  changeWho: 'who is signed in',
  number: 'NHS number',
  numberHint: '10 digits, like 999 123 4567. For an unborn baby, use the mother’s number.',
  dateOfBirth: 'Date of birth (if you know it)',
  dateOfBirthHint: 'For example, 27 3 2019. It helps to show a wrong number.',
  day: 'Day',
  month: 'Month',
  year: 'Year',
  reason: 'Why are you looking? (optional)',
  reasons: {
    attendance: 'The patient is here, or on the way',
    enquiry: 'Somebody asked about the patient',
    other: 'Another reason',
  },
  care: 'What care is this?',
  careOptions: {
    unscheduled: 'Urgent or unplanned: the council is told that you looked',
    planned: 'Planned: the look is recorded, the council is not told',
  },
  submit: 'Look up',
  problem: 'There is a problem',
  error: 'Error: ',
  reasonWrong: 'Choose one of the reasons, or none',
  careWrong: 'Choose one kind of care',
  dateMissing: (parts: readonly string[]) =>
    `Date of birth must include a ${parts.join(' and a ')}. Or leave it empty`,
  dateNotDigits: 'Date of birth must have digits only, like 27 3 2019. Or leave it empty',
  yearShort: 'Year of birth must have 4 digits, like 2019',
  dateNotReal: 'Date of birth must be a real date, like 27 3 2019. Or leave it empty',
  dateFuture: 'Date of birth must be today or in the past. Or leave it empty',
} as const;

/** The page that an answer stands on. */
export const RESULT = {
  /** The same in every case, since tabs and histories disclose it. */
  title: 'Result',
  hide: 'Hide',
  number: 'NHS number',
  /** As it was typed: a council may have another. */
  born: (date: CalendarDate) => `Born ${dateText(date)} (as typed)`,
  bornNotGiven: 'Date of birth not given',
  dateOfBirth: 'Date of birth',
  time: 'Time',
  checkedAt: (time: string) => `Checked at ${time}`,
  notCheckedAt: (time: string) => `Not checked. Tried at ${time}`,
  another: 'Look up another child',
  immediate: 'Immediate action required: ',
  important: 'Important: ',
  both: (heading: string, also: string) => `${heading} and ${also}`,
  plansOf: (count: number) => `This child has ${count} kinds of plan`,
  childAndUnborn: 'This child and her unborn baby have plans',
  dueDatePassed: 'Her baby’s plan still counts',
  several: (count: number) =>
    `${count} councils have plans: ring ${count === 2 ? 'both' : 'each of them'}`,
  severalOfCare: (count: number) =>
    `${count} councils are involved: ring ${count === 2 ? 'both' : 'each of them'}`,
  ended: (date: CalendarDate) => `No plan now. One ended on ${dateText(date)}`,
  endedSeveral: (count: number, date: CalendarDate) =>
    `No plan now. ${count} ended, the last on ${dateText(date)}`,
  ringBefore: (council: string) => `Ring ${named(council)} before the child leaves`,
  ringBeforeMother: (council: string) => `Ring ${named(council)} before she leaves`,
  ringFar: (council: string) => `Ring ${named(council)}, even if it is far away`,
  whoAgrees: 'Ask who can agree to treatment.',
  notAReferral: 'This page is not a referral.',
  due: (date: CalendarDate) => `Due, or plan ends: ${dateText(date)}.`,
  duePassed: (date: CalendarDate) =>
    `The due date or end of the plan, ${dateText(date)}, has passed. Act as if the plan is in force.`,
  babyBorn: 'Baby born? Check the baby’s number too.',
  endedNotSafe:
    'Ended does not mean safe. The plan may have moved to another council. Worried? Ring.',
  endedTag: 'Ended',
  ringNow: 'Ring now:',
  officeHours: (hours: string | undefined) =>
    hours === undefined ? 'Office hours' : `Office hours (${hours})`,
  nights: 'Nights, weekends and holidays (emergency duty team)',
  noOfficeHours: 'No office number is held.',
  noAnswer: 'No answer? Ring the other number.',
  phoneFrom: (date: CalendarDate) => `This number was given on ${dateText(date)}.`,
  whoIsThis: 'Check who this is',
  whoIsThisThen: (councils: readonly string[]) =>
    `${enumerated(councils)} sent a different date of birth. Check the number and the wristband. Do not ignore the plan.`,
  councilBehind: (council: string, date: CalendarDate | undefined) =>
    date === undefined
      ? `${named(council)} is out of date: this may have changed since.`
      : `${named(council)} is out of date: this is as it was on ${dateText(date)}, and may have changed since.`,
  noPlan: 'No plan found',
  noPlanBehind: 'No plan found, but some councils are out of date',
  checkTheNumber: 'Check the number. A wrong one looks just like this.',
  covered: {
    all: (area: string, count: number) =>
      `This covers the ${counted(count, 'council')} of ${area}.`,
    pilot: (area: string, names: readonly string[]) =>
      `This is a pilot in ${area}. It covers ${enumerated(names)}, and no other council. Does the child live elsewhere? Ring children’s social care there.`,
    pilotLarge: (area: string, count: number) =>
      `This is a pilot in ${area}. It covers ${counted(count, 'council')}, and no other. Does the child live elsewhere? Ring children’s social care there.`,
    sample: (count: number) =>
      `This is a sample of ${counted(count, 'made-up council')}. It says nothing about a real child.`,
    notSet: EXPECTED_NOT_SET,
  },
  allUpToDate: 'All of them are up to date.',
  liveIn: (councils: readonly string[], more: number) =>
    `Is the child’s council ${eitherOf(councils, more)}?`,
  liveInThen: 'If so, ring it: its plans may be missing here.',
  behindSince: (date: CalendarDate) => `Last up to date on ${dateText(date)}`,
  behindNever: 'Has sent nothing yet',
  otherBehind: (councils: readonly string[], more: number) =>
    `Plans of these councils may be missing, because they are out of date: ${enumerated(more > 0 ? [...councils, `${more} more`] : councils)}.`,
  notSafe: 'This does not mean that the child is safe.',
  notHere: 'Not here:',
  notHereList: NOT_COVERED,
  underOne: 'Under 1? Check the mother’s number too.',
  details: 'Dates, who looked lately, and the record of this check',
  date: dateText,
  plans: 'Plans',
  noEnd: 'no end date given',
  plan: 'Plan',
  council: 'Council',
  status: 'Status',
  started: 'Started',
  ends: 'Ends',
  endedOn: 'Ended',
  dataAsOf: 'Council’s data as of',
  unknown: 'not known',
  statuses: { current: 'In force', 'due-date-passed': 'In force, due date passed', ended: 'Ended' },
  looked: 'Who looked lately, from urgent or unplanned care',
  lookedWhen: 'Last looked',
  lookedWho: 'Who',
  lookedWhere: 'Where',
  lookedTimes: (count: number) => `${count} times`,
  you: 'you',
  nobodyElse: 'Nobody else has looked.',
  notShownWho: 'Who looked before cannot be shown. The flag is not affected: act on it.',
  silentWho: 'Who looked before is not shown for planned care.',
  auditId: 'Record of this check',
} as const;

/** A check that was not made. */
export const NOT_CHECKED = {
  title: 'Could not check',
  couldNotCheck: 'Could not check',
  again: 'Try again',
  sentAgain: (chosen: readonly string[]) =>
    `It is tried with what you chose: ${chosen.join('; ')}.`,
  ring: 'Follow your safeguarding procedure. Ring the council where the child lives.',
  stillBroken: 'Still no answer?',
  notInUse: 'Could not check: this NHS number is no longer used',
  notInUseThen: 'Find the patient’s present NHS number and look that up.',
  notInUseCannot: 'Cannot find it?',
  limited: 'Could not check: too many look\u2011ups',
  limitedThen: (seconds: number) => `Wait ${waitText(seconds)}, or ask a colleague now.`,
  limitedCannot: 'Cannot wait?',
  over: 'Signed out. No new check was made',
  overThen: 'Sign in.',
  overCannot: 'Cannot sign in?',
  untrusted: 'Could not check: the form was not sent from this page',
  untrustedThen: 'Open the look-up page and type the number again.',
  untrustedListThen: 'Open the list page and paste the list again.',
  repeated: 'Could not check: the form was not sent correctly',
  tooMuch: 'Could not check: too much was typed',
  late: 'Could not check: the form did not arrive completely',
  unreadable:
    'This browser sent what the service cannot read, such as too many cookies. Close all its windows, open it and try again. If this page comes back, use another browser, and tell your IT team.',
  stale: 'Could not check: this page is out of date',
  staleThen:
    'It was opened before you last signed in. No new check was made. Look the child up again.',
  staleListThen:
    'It was opened before you last signed in. No new check was made. Paste the list again.',
  used: 'Could not check: this page was used before',
  usedThen: 'No new check was made. An answer that was shown is hidden. Look the child up again.',
  usedListThen: 'No new check was made. A list that was shown is hidden. Paste the list again.',
} as const;

/** In place of an answer, or of a check that could not be made: the page does not say which of the two it was. */
export const HIDDEN = {
  title: 'Hidden',
  heading: 'What was here is hidden',
  noCheck: `No new check was made. ${NOT_A_NO} To see an answer, look the child up.`,
  listHeading: 'The list is hidden',
  listNoCheck: `No new check was made. ${NOT_A_NO} To see answers, paste the list.`,
} as const;

/** A list of numbers that is pasted, by somebody whose looks the council is not told about. */
export const LIST = {
  title: 'Look up a list',
  link: 'Look up a list',
  single: 'Look up one child',
  field: 'NHS numbers',
  hint: (most: number) =>
    `One line for each patient, at most ${most}: the NHS number, then the date of birth if you know it, like 999 123 4567, 27/3/2019.`,
  recorded: 'Each look is recorded. The councils are not told.',
  submit: 'Look up the list',
  empty: 'Paste at least one NHS number',
  tooMany: (most: number, count: number) =>
    `Paste at most ${most} lines. You pasted ${count}. Look the others up in a second list`,
  tooLong: (most: number) =>
    `Paste at most ${most} lines, each with one NHS number and, if you know it, a date of birth. This was so long that it is not kept: paste it again in parts`,
  usedUp: (most: number) =>
    `You have looked up ${most} lists today, which is the limit. Look children up one by one`,
  summary: (pasted: number, checked: number) =>
    pasted === checked
      ? `${pasted} pasted, ${checked} checked`
      : `${pasted} pasted, ${checked} checked, ${pasted - checked} NOT checked`,
  notChecked: 'NOT checked',
  notCheckedThen: `${NOT_A_NO} Look each of these up again.`,
  flagged: 'With a plan, or in care',
  flaggedThen: 'Look up each of these on its own for what to do and whom to ring.',
  ended: 'With a plan that has ended',
  all: 'The list, as it was pasted',
  line: 'Line',
  number: 'NHS number',
  born: 'Born',
  bornNotGiven: 'not given',
  outcome: 'Outcome',
  lineOf: (line: number, text: string) => `Line ${line}: ${text}`,
  outcomes: {
    flagged: 'Plan in force, or in care',
    differs: 'Plan in force, or in care. The date of birth differs: check who this is',
    ended: 'No plan now. One ended',
    endedDiffers: 'No plan now. One ended. The date of birth differs: check who this is',
    none: RESULT.noPlan,
    noneBehind: RESULT.noPlanBehind,
    wrongLength: 'NOT checked: the NHS number must have 10 digits',
    wrongDigit: 'NOT checked: a digit of the NHS number is wrong, or two are swapped',
    several: 'NOT checked: paste one number to a line',
    wrongDate: 'NOT checked: the date of birth must be a real date, like 27/3/2019',
    futureDate: 'NOT checked: the date of birth must be today or in the past',
    unclear:
      'NOT checked: part of this may be a date. Write the number like 999 123 4567, and the date like 27/3/2019',
    wrong: 'NOT checked: not an NHS number, or not with a date like 27/3/2019 after it',
    failed: 'NOT checked: try again',
    notInUse: 'NOT checked: this number is no longer used',
  },
  notSafe:
    '“No plan found” does not mean that a child is safe. Check the numbers: a wrong one looks just like this.',
  liveIn: (councils: readonly string[], more: number) =>
    `Does a child live in ${eitherOf(councils, more)}?`,
} as const;

/** The outcome of a look. */
export const ATTENDANCE = {
  summary: 'What came of it? Tell the council',
  lead: 'This goes to the council with the record of your look. This is not a referral: ring as well.',
  legend: 'What happened?',
  options: {
    seen: 'The patient was seen',
    'left-before-seen': 'The patient left before being seen: the council is told at once',
    admitted: 'The patient was admitted',
    transferred: 'The patient was transferred',
    'wrong-patient': 'I looked up the wrong patient',
  },
  ward: 'Ward (if there is one)',
  switchboard: 'Telephone number of the switchboard (if you know it)',
  submit: 'Tell the council',
  pick: 'Choose what happened',
  wardHint: 'Ward name only. No patient details.',
  wardWrong:
    'Enter the name of the ward only, without patient details: at most 30 letters and digits, of which at most four are digits',
  switchboardWrong:
    'Enter one telephone number of the hospital, like 020 7946 0200, or leave it empty. Do not enter 999, 112, 111 or 101',
  title: 'Recorded',
  recorded: 'Recorded',
  told: (councils: readonly string[]) =>
    councils.length === 0
      ? 'No council has a plan for this child now, so no council is told.'
      : `${enumerated(councils)} ${councils.length === 1 ? 'is' : 'are'} told. This is not a referral.`,
  what: (option: string) => `You recorded: ${option}.`,
  correct: 'Was it something else? Correct it',
  correctLater: 'To correct it later, look the child up again, and say so there.',
  wrongPatient: 'Now look up the right patient. Tell your privacy officer too.',
  notYet: 'Nothing has been recorded yet.',
  failedTitle: 'Not recorded',
  failed: 'Not recorded. Ring the council',
  limitedThen: (seconds: number) =>
    `You have asked too often. Ring the council now and tell them what happened, or wait ${waitText(seconds)} and send it again.`,
  /** Why it was not recorded, each with what to do. */
  failedThen: {
    'form-untrusted':
      'What was sent did not come from this page. Ring the council and tell them what happened.',
    'form-field-repeated':
      'Part of the form was sent twice. Ring the council and tell them what happened.',
    'body-too-large': 'Too much was typed. Ring the council and tell them what happened.',
    'request-timeout': 'It took too long to arrive. Ring the council and tell them what happened.',
    over: 'You were signed out. Ring the council and tell them what happened. Or sign in, look the child up again, and say so there.',
    stopped:
      'You may not use this service now. Ring the council and tell them what happened. Then ask your privacy officer or safeguarding lead.',
    stale:
      'You have signed in again since you looked. Ring the council and tell them what happened.',
    'look-not-found':
      'You can record this for 24 hours after you looked. Ring the council and tell them what happened.',
    failed: 'The service could not record it. Ring the council and tell them what happened.',
  },
} as const;

/** The list of councils' numbers. */
export const COUNCILS = {
  title: 'Find a council’s number',
  lead: 'Ring the council where the child lives. These are the councils’ own duty numbers.',
  filter: 'Council’s name',
  filterHint: 'Part of the name is enough.',
  find: 'Find',
  all: 'Show all councils',
  letters: 'Jump to a letter',
  matches: (count: number) =>
    count === 0
      ? 'No council has that name. Try one word of it. Not in the list? Its main number is on its website.'
      : `${count} ${count === 1 ? 'council' : 'councils'}`,
  near: (count: number) =>
    `No council has that name. Did you mean ${count === 1 ? 'this one' : 'one of these'}?`,
  /** With `#` in place of the number. */
  many: '# councils',
  given: (date: CalendarDate) => `Night number given on ${dateText(date)}`,
  givenUnknown: 'When the night number was given is not known',
  noneHeld: 'No number is held. Ring the council’s main number and ask for children’s social care.',
  none: 'No council’s numbers are held here yet. Ring the council where the child lives: its main number is on its website.',
  asOf: (time: string) => `As this service knew them at ${time}.`,
  old: 'The service cannot reach its data just now. These are the last numbers it knew.',
  print: 'You may print this page. Print it again every month: numbers change.',
} as const;

/** The statement that public bodies have to give. Source: Public Sector Bodies Accessibility Regulations 2018. */
export const ACCESSIBILITY = {
  title: 'Accessibility statement',
  paragraphs: [
    'These pages are meant for everybody who looks after a patient, also on an old or small screen, by keyboard alone, with a screen reader, enlarged four times, in high contrast and without JavaScript.',
    'They are built to meet the Web Content Accessibility Guidelines, version 2.2, level AA. Each of their states is tested by machine (axe-core), by keyboard, at 320 pixels width and with forced colours. Nobody outside has audited them yet.',
  ],
  limits: 'What you may find hard',
  limitsList: [
    'An answer disappears from the screen after two minutes, and you are signed out after ten minutes without use. This protects the child and cannot be switched off. You can look up again at once.',
    'An answer cannot be printed.',
    'The button “Hide” leaves the answer at once, without asking.',
  ],
  report: 'Tell us',
  reportThen:
    'If something here does not work for you, tell the team that runs this service. If their answer does not help, the Equality Advisory and Support Service can advise you.',
} as const;
