import { counted } from './counts.ts';
import { timeText } from './times.ts';

/** What only a named person can decide, on the operator's pages. Never an NHS number. */

const SINGLE_MODE = 'Single mode';

/** When and how single mode ends, in the same words wherever somebody reads about it. */
export const SINGLE_MODE_ENDS = `Once all replicas are attached again (as many as REDIS_REPLICAS says), a worker ends single mode within seconds. If none was missing, a named person ends it: on the page “${SINGLE_MODE}”, or with cp-flags replicas require.`;

export const DECISIONS = {
  title: 'What a named person decides',
  lead: 'If continuing could lose something without anybody noticing, the store stays closed or nothing is sealed. The first page then says so. Each of these pages says what happened, what is lost and what to check first.',
  /** What each is called. */
  titles: {
    promotion: 'A promoted replica',
    'old-copy': 'An old copy of the data folder',
    clock: 'A clock that has gone back',
    gap: 'Missing audit events',
    replicas: SINGLE_MODE,
    copy: 'The second copy of the audit',
  },
  /** On the first page. */
  waits: {
    promotion: 'The store stays closed until a named person decides about the promoted replica.',
    'old-copy': 'The store stays closed until a named person decides about the data folder.',
    clock: 'The store stays closed until a named person decides about the clock.',
    gap: 'Nothing is sealed until missing audit events are found, or a named person accepts that they are lost.',
  },
  lost: 'What is lost',
  means: 'What this means',
  before: 'Before you decide',
  after: 'Afterwards',
  decide: 'Decide',
  see: 'See whether lookups are answered',
  doneAt: (time: string) => `This was done at ${time}.`,
  submit: {
    promotion: 'Confirm, and continue with this server',
    'old-copy': 'Confirm, and continue with this folder',
    clock: 'Confirm that the clock is right now',
    gap: 'Accept that these events are lost',
  },
  machine: (name: string) =>
    `Run it on the machine of the worker, ${name}, with the worker’s settings. Both are recorded in the audit under your name.`,
  changed:
    'What this is about has changed since you opened the page, so nothing was done. Read the page again before you decide.',
  nothing: 'Nobody has to decide this now.',
  unsure: 'This may have been done',
  unsureThen: 'Look at the page again before you decide once more: it says whether it was done.',
  otherDataset: 'Redis does not hold the dataset of this worker, so nothing was done.',
  promotion: {
    lost: (missing: number, lastAlive: string) => [
      missing === 0
        ? 'No audit event that the worker knew of is missing from this server.'
        : `${counted(missing, 'audit event')} that the worker knew of ${missing === 1 ? 'is' : 'are'} missing from this server.`,
      `Answers that were given after ${timeText(lastAlive)}, until the former server ended, may be in no record. Their councils were then not notified. Files loaded since then may be missing too.`,
    ],
    before: [
      'Can the former server come back? Then do not confirm. Set REDIS_URL to it, and start it: nothing is lost.',
      'Is it certain that the former server no longer runs anywhere? Lookup processes that still reach it would answer beside this one.',
    ],
    after: [
      'Tell the privacy officer the time from which lookups may be in no record.',
      'Ask each council that loaded a file since then to look at its file history, and to send again what is not there.',
    ],
  },
  'old-copy': {
    lost: (lastAlive: string, known: string) => [
      `Whatever was loaded, withdrawn, blocked or recorded after ${timeText(lastAlive)} may not be here.`,
      ...(known === '' ? [] : [known]),
    ],
    before: [
      'Is there a newer data folder, on another machine or disk, or a newer backup? Then do not confirm. Stop the service and use that one.',
      'Was the service merely switched off for the whole time? Then nothing is lost.',
    ],
    after: [
      'Ask every council for its newest full file, or for all files since.',
      'Users who were blocked since then are not blocked here: block them again.',
    ],
  },
  clock: {
    lost: (newest: string) => [
      `Nothing is lost. Times up to ${timeText(newest)} were recorded while the clock was ahead. What was loaded then seems newer than it is until that time.`,
    ],
    before: [
      'Are the clocks of all machines right, and set by a time server? While this machine’s and Redis’s are more than five seconds apart, nothing is confirmed.',
      'Is the present time of Redis the right one? If it is behind, set it instead of confirming.',
    ],
    after: ['Ask every council for its newest file.'],
  },
  gap: {
    agreedBy: 'Which Guardian or privacy officer decided this with you?',
    agreedByOwn: 'Enter somebody other than yourself: two people decide this.',
    agreedByHint: 'Enter their name and job. This is recorded in the audit.',
    lost: {
      events: (from: number, to: number, stream: string) =>
        from === to
          ? `Event ${from} of ${stream} is in neither Redis nor the log.`
          : `Events ${from} to ${to} of ${stream} are in neither Redis nor the log.`,
      beyond: (here: number, sealed: number) =>
        `The log here has ${counted(here, 'event')}. A worker had sealed ${sealed}: ${counted(sealed - here, 'sealed event')} would be lost.`,
      otherLog:
        'Another log has sealed the events of this Redis. Whatever is only in that log would no longer be continued.',
    },
    happened: 'The audit log and Redis do not continue each other, so nothing more is sealed.',
    before: [
      'Can Redis or the log be restored from a newer copy? Is AUDIT_DIR the folder of the worker that ran last? Then do not accept this: correct it, and nothing is lost.',
      'Has a Guardian or privacy officer of this service decided this with you? From then on every verification says which events are missing, who accepted that and why.',
    ],
    after: [
      'Give the privacy officer the numbers of the events that are lost.',
      'Start a verification of the log, or have an officer start it.',
    ],
  },
  replicas: {
    works: 'Replicas acknowledge every write now, so there is no reason to go on without them.',
    none: 'Answers do not wait for a replica, because REDIS_REPLICAS is not set. There is nothing to order.',
    order: {
      lost: [
        'No answer waits for a replica from then on: its event is on one disk only. If that disk is lost, so are the answers, loaded files and blocks since then.',
        'If a replica is promoted in the meantime, it answers nothing until a named person confirms it.',
      ],
      before: [
        'Can a replica be brought back within minutes? Then do that instead.',
        'Is this Redis still the primary? A primary that is cut off from the others must not go on alone.',
      ],
      after: [`Bring the replicas back. ${SINGLE_MODE_ENDS}`],
      submit: 'Order single mode',
      done: `Ordered. Lookups are answered within seconds, and every answer is on one disk only. ${SINGLE_MODE_ENDS}`,
      already: 'Single mode is ordered already.',
      notPrimary:
        'The sentinels do not confirm that this Redis is the primary, so nothing was done. Another server may have been promoted. If it is certain that none was, run cp-flags replicas single on the machine of the worker.',
    },
    end: {
      lost: (attached: number, required: number) => [
        'Nothing is lost. Every answer waits for the replicas again.',
        ...(attached < required
          ? [
              `Only ${attached} of ${required} replicas are attached. Lookups may stop until the others are back.`,
            ]
          : []),
      ],
      before: ['Are the replicas back?'],
      after: [],
      submit: 'Wait for replicas again',
      done: 'Ended. Every answer waits for the replicas again.',
      already: 'Answers wait for the replicas already.',
    },
    restarts:
      'Before a planned restart of a replica, make sure that it is never promoted. Put it back afterwards. This needs the rights of Redis’s administrator, which a worker does not have, so it is done by command:',
  },
  copy: {
    works: 'The second copy can be used now, so there is no reason to go on without it.',
    none: 'No second copy of the audit is kept (AUDIT_COPY is not set). There is nothing to order.',
    order: {
      lost: [
        'From then on, sealed events leave Redis once they are in the log of this worker. Until the second copy is required again they are on one disk only, and are lost with it.',
        'A worker on another disk does not take over in that time.',
      ],
      before: [
        'Can the copy be brought back before Redis is full? Then wait: lookups go on, events wait in Redis, and nothing is lost.',
        'How much memory Redis has left is in the check store:memory on the first page.',
      ],
      after: ['Bring the copy back, then require it again on this page.'],
      submit: 'Continue with one copy',
      done: 'Ordered. Events are sealed within seconds, and are on one disk only.',
      already: 'One copy is ordered already.',
    },
    end: {
      lost: [
        'Nothing is lost. The second copy catches up from the log, and events wait for it again.',
      ],
      before: ['Can the copy be used again? If not, nothing more is sealed once you require it.'],
      after: ['The first page says when the copy has all events.'],
      submit: 'Require the second copy again',
      done: 'Ended. The second copy catches up, and events wait for it again.',
      already: 'The second copy is required already.',
    },
    older:
      'A worker may stand by because the copy holds an older state than the one that counted. Then no worker serves pages. Its address /_status says so. A named person then decides by command:',
  },
  dataset: 'A lookup process should serve another dataset',
  datasetThen:
    'The process must be stopped, and its data folder is on its own machine. So this is done by command, on the machine of that lookup process:',
} as const;

/** What somebody with a lookup process's password has damaged. */
export const REPAIR = {
  title: 'Damage in Redis',
  nothing: 'Nothing in Redis is known to be damaged.',
  found: 'Somebody has written to Redis who should not be able to. No event is lost.',
  notAllowed:
    'This worker’s Redis user may not look at the lists of who looked. Give Redis the users of this version.',
  unanswered: 'The lists of who looked cannot be checked while Redis does not answer.',
  caption: 'What is damaged',
  columns: ['Where', 'What', 'What a repair does'] as const,
  streams: 'The numbers of its events were set ahead',
  streamsThen: 'The events get the numbers that they should have',
  lists: (lists: number) => `${counted(lists, 'list')} of who looked cannot be read`,
  log: 'The sealed log',
  listsThen: 'New lists begin. The audit has who looked',
  entries: (entries: number) =>
    `${counted(entries, 'entry', 'entries')} are not events of this service`,
  entriesThen: 'They stay in the log as they are, and the alert ends',
  list: 'What is damaged, by command:',
  steps: 'What to do',
  stepList: [
    'Find out who has the password of the lookup processes’ Redis user, and change it.',
    'Then repair, by command. No page does this, because it may rewrite audit streams, which needs the rights of Redis’s administrator. If a worker had them, somebody who took over a worker could rewrite the audit.',
    'Afterwards verify the audit log, and tell the privacy officer.',
  ],
  machine: (name: string) =>
    `Run it on the machine of the worker, ${name}, with the worker’s settings and the Redis user cpf-admin (REDIS_URL and REDIS_PASSWORD_FILE). If no numbers were set ahead, the worker’s own Redis user is enough. A Redis that the service itself started needs nothing more than DATA_DIR.`,
} as const;
