import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { PLAN_TYPES } from '#schemas/plans/plan.ts';
import { root } from './support/processes.ts';

/** Sentences that repeat a figure from the code, so that a figure cannot change without changing on every page. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const MIB = 1_048_576;

const WORDS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];
const FURTHER_WORDS: Record<string, number> = { twelve: 12, twenty: 20 };

const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');

/** The constant in a file, whose value is a product of numbers. */
function constant(file: string, name: string): number {
  const [, said] = new RegExp(`const ${name} = ([0-9_* .]+);`).exec(textOf(file)) ?? [];
  if (said === undefined) throw new Error(`${file} has no ${name}`);
  return said
    .replaceAll('_', '')
    .split('*')
    .reduce((product, factor) => product * Number(factor), 1);
}

function figureOf(said: string): number {
  const word = WORDS.indexOf(said.toLowerCase());
  if (word >= 0) return word;
  return FURTHER_WORDS[said] ?? Number(said.replaceAll(',', ''));
}

const settings = readConfiguration({});
const setting = (name: keyof typeof settings): number => Number(settings[name]);

type Sentence = [file: string, sentence: RegExp];
const FIGURES: [figure: string, value: number, said: Sentence[]][] = [
  [
    'minutes until an unused session ends',
    constant('service/pages/session/sessions.ts', 'IDLE_MS') / MINUTE,
    [
      ['docs/pages.md', /signed out after (\w+) minutes without use/],
      ['docs/threat-model.md', /(\w+) minutes at an unlocked screen/],
      ['schemas/wording/pages.ts', /signed out after (\w+) minutes without use/],
    ],
  ],
  [
    'hours that a session lasts',
    constant('service/pages/session/sessions.ts', 'LONGEST_MS') / HOUR,
    [
      ['docs/pages.md', /without use, and after (\w+) hours in any case/],
      ['docs/pages.md', /leave the old one on the second for (\w+) hours/],
    ],
  ],
  [
    'minutes that an answer is shown',
    constant('service/pages/html/assets.ts', 'SHOWN_FOR_SECONDS') / 60,
    [
      ['docs/pages.md', /answer disappears after (\w+) minutes/],
      ['docs/pages.md', /disappears after (\w+) minutes like every answer/],
      ['docs/threat-model.md', /Answers disappear after (\w+) minutes/],
      ['schemas/wording/pages.ts', /from the screen after (\w+) minutes/],
    ],
  ],
  [
    'seconds within which a reload shows the same answer',
    constant('service/pages/session/twice.ts', 'HELD_FOR_MS') / SECOND,
    [['docs/pages.md', /within (\w+) seconds it shows the same answer/]],
  ],
  [
    'numbers in a list',
    constant('schemas/lookup.ts', 'BATCH_AT_MOST'),
    [
      ['docs/pages.md', /paste a list of up to (\w+) numbers/],
      ['CHANGELOG.md', /Lists of up to (\w+) numbers/],
    ],
  ],
  [
    'hours of one entry of a notification',
    constant('schemas/notification.ts', 'ENTRY_HOURS'),
    [
      [
        'docs/council-notifications.md',
        /one entry for a user, an organisation and a child within (\w+) hours/,
      ],
      ['docs/council-notifications.md', /sent once more when the (\w+) hours are over/],
      [
        'docs/beside-cp-is.md',
        /an entry for a user, an organisation and a child within (\w+) hours/,
      ],
    ],
  ],
  [
    'hours for which an access is listed for others',
    constant('schemas/lookup.ts', 'ACCESS_COLLAPSE_HOURS'),
    [
      ['docs/integrating.md', /one entry for a user and a child within (\w+) hours/],
      ['docs/integrating.md', /one user's looks at the child within (\w+) hours/],
    ],
  ],
  [
    'hours in which an outcome can be recorded',
    constant('schemas/attendance.ts', 'ATTENDANCE_HOURS'),
    [
      ['docs/routes-and-errors.md', /The outcome of a look can be recorded for (\w+) hours/],
      ['docs/integrating.md', /can say within (\w+) hours what came of it/],
      ['schemas/wording/pages.ts', /You can record this for (\w+) hours after you looked/],
    ],
  ],
  [
    'minutes within which a notification is on time',
    constant('service/notifications/notifier.ts', 'LATE_AFTER_MS') / MINUTE,
    [['docs/operating/councils.md', /has not been notified (\w+) minutes after its window/]],
  ],
  [
    'days that notifications are kept',
    setting('NOTIFICATIONS_KEEP_DAYS'),
    [
      ['docs/council-notifications.md', /They are kept for (\w+) days/],
      ['docs/information-governance.md', /\| (\w+) days \(`NOTIFICATIONS_KEEP_DAYS`\)/],
    ],
  ],
  [
    'years that the audit is kept',
    setting('AUDIT_RETENTION_YEARS'),
    [
      ['docs/audit.md', /(\w+) years \(`AUDIT_RETENTION_YEARS`\)/],
      ['docs/dpia.md', /`AUDIT_RETENTION_YEARS` \((\w+) years/],
      ['docs/performance.md', /of the sealed log, for (\w+) years/],
      ['docs/performance.md', /470 GB in (\w+) years/],
    ],
  ],
  [
    'days of a report',
    constant('service/audit/search/report.ts', 'REPORTED_DAYS'),
    [['docs/audit.md', /the others the last (\w+) days/]],
  ],
  [
    'MiB in an upload',
    constant('loaders/load/load.ts', 'MAX_BYTES') / MIB,
    [['docs/authorities.md', /A file may have up to (\w+) MiB/]],
  ],
  [
    'MiB in an upload, by its setting',
    setting('MAX_UPLOAD_MIB'),
    [['docs/authorities.md', /A file may have up to (\w+) MiB/]],
  ],
  [
    'days for which a held file waits for a decision',
    setting('HELD_DAYS'),
    [['docs/authorities.md', /If nobody decides within (\w+) days/]],
  ],
  [
    'hours for which a council’s data counts as up to date',
    setting('UP_TO_DATE_HOURS'),
    [['docs/authorities.md', /newest data is over (\w+) hours old/]],
  ],
  [
    'plans over which a file that adds them may be held',
    constant('loaders/decide/breakers.ts', 'ADDITIONS_OVER'),
    [['docs/authorities.md', /adds over ([\d,]+) plans/]],
  ],
  [
    'missing files after which a number is closed',
    constant('store/authorities/ledger.ts', 'LEDGER_KEEPS'),
    [
      ['docs/authorities.md', /after (\w+) newer files/],
      ['schemas/wording/council.ts', /The answers to your last (\w+) loaded files/],
    ],
  ],
  [
    'bytes of a name in an acknowledgement',
    constant('loaders/answers/acknowledge.ts', 'NAME_AT_MOST_BYTES'),
    [['docs/sending-by-program.md', /characters or (\w+) bytes, or holds/]],
  ],
  [
    'days in which a withdrawal can be undone',
    constant('loaders/upkeep/withdraw.ts', 'UNDONE_WITHIN_DAYS'),
    [
      ['docs/withdrawing-and-protecting.md', /Within (\w+) days one person can undo it/],
      ['docs/clinical-safety.md', /One person can undo it for (\w+) days/],
      ['docs/threat-model.md', /undo the withdrawal within (\w+) days/],
      ['schemas/wording/withdrawals.ts', /withdrawn more than (\w+) days ago/],
    ],
  ],
  [
    'withdrawals a day',
    constant('loaders/upkeep/withdraw.ts', 'WITHDRAWN_A_DAY'),
    [
      ['docs/clinical-safety.md', /At most (\w+) plans are withdrawn in a day/],
      ['docs/withdrawing-and-protecting.md', /can withdraw at most (\w+) plans in a day/],
      ['schemas/wording/withdrawals.ts', /has withdrawn (\w+) flags within a day/],
    ],
  ],
  [
    'days for which a withdrawal waits for a second person',
    constant('loaders/upkeep/withdraw.ts', 'WAITS_DAYS'),
    [
      ['docs/withdrawing-and-protecting.md', /nobody confirms within (\w+) days lapses/],
      ['schemas/wording/withdrawals.ts', /nobody confirmed it within (\w+) days/],
    ],
  ],
  [
    'days before a certificate ends',
    constant('service/http/tls.ts', 'TOLD_BEFORE_DAYS'),
    [['docs/operating/installing.md', /warns from (\w+) days before a certificate expires/]],
  ],
  [
    'MiB of a log that nobody reads',
    constant('service/telemetry/create-log.ts', 'HELD_BACK_BYTES') / MIB,
    [['docs/operating.md', /up to (\w+) MiB of the log waits/]],
  ],
  [
    'seconds for requests under way at a stop',
    constant('service/main.ts', 'REQUESTS_FINISH_WITHIN_MS') / SECOND,
    [['docs/operating.md', /requests under way get (\w+) seconds/]],
  ],
  [
    'hours after which a copy of the data folder is old',
    constant('store/trust/confirm.ts', 'OLD_AFTER_MS') / HOUR,
    [
      ['docs/operating/recovery.md', /was last alive over (\w+) hours ago/],
      ['docs/operating/data-folder.md', /A copy younger than (\w+) hours opens/],
    ],
  ],
  [
    'seconds to wait after a 503',
    constant('service/http/problem.ts', 'RETRY_AFTER_SECONDS'),
    [
      ['docs/integrating.md', /wait as long as `Retry-After` says \((\w+) seconds\)/],
      [
        'docs/routes-and-errors.md',
        /\| 503 \| transient \| later \| The check could not be made\. Wait (\w+) seconds/,
      ],
    ],
  ],
  [
    'seconds for which a worker’s report counts by itself',
    constant('store/trust/readiness.ts', 'TRUSTED_FOR_MS') / SECOND,
    [['docs/topologies.md', /A report counts for (\w+) seconds/]],
  ],
  [
    'seconds for which a token is not asked about again',
    constant('service/admission/introspection.ts', 'INACTIVE_MS') / SECOND,
    [['docs/operating/tokens.md', /remembered as such for (\w+) seconds/]],
  ],
  [
    'minutes between two checks of a mailbox',
    constant('schemas/configuration.ts', 'MESH_POLL_AT_LEAST_SECONDS') / 60,
    [['docs/mesh.md', /The mailbox is read every (\w+) minutes/]],
  ],
  [
    'minutes that a file waits for its sender',
    constant('service/uploads/previews.ts', 'KEPT_MS') / MINUTE,
    [
      ['docs/authorities.md', /A file that you have not sent yet is kept for (\w+) minutes/],
      ['schemas/wording/council.ts', /The file is kept here for (\w+) minutes, then it is deleted/],
      ['schemas/wording/council.ts', /A file is kept here for (\w+) minutes/],
      ['docs/pages.md', /in `comparisons\/`, both for (\w+) minutes at most/],
      ['docs/threat-model.md', /and 16 in all, for (\w+) minutes/],
      ['docs/threat-model.md', /read the data folder in those (\w+) minutes/],
    ],
  ],
  [
    'minutes that a file waits for corrections to its fields',
    constant('service/uploads/previews.ts', 'UNSENT_MS') / MINUTE,
    [
      ['docs/authorities.md', /the file is kept for (\w+) minutes, or until you sign out/],
      ['schemas/wording/council.ts', /It is deleted after (\w+) minutes, or when you sign out/],
      ['docs/pages.md', /the typed fields of a file are wrong, it is kept for (\w+),/],
      ['CHANGELOG.md', /number or time was mistyped is kept for (\w+) minutes/],
    ],
  ],
  [
    'minutes that a comparison is kept',
    constant('service/uploads/comparisons.ts', 'KEPT_MS') / MINUTE,
    [['schemas/wording/council.ts', /A comparison is kept for (\w+) minutes/]],
  ],
  [
    'days after which a purge removes a plan’s row',
    constant('loaders/upkeep/purge.ts', 'LATE_FILES_DAYS'),
    [['service/cli/purge.ts', /was loaded more than (\w+) days ago/]],
  ],
  [
    'KiB in the body of a request',
    constant('service/http/body.ts', 'BODY_KIB'),
    [
      ['schemas/errors.ts', /Send a body of at most (\w+) KiB/],
      ['docs/integrating.md', /and the body of a lookup (\w+) KiB/],
    ],
  ],
  [
    'days for which somebody verified in PDS is kept as a digest',
    2 * Math.max(setting('PDS_REMEMBER_DAYS'), setting('PDS_REVERIFY_DAYS')),
    [
      ['docs/tracing.md', /A digest is removed (\w+) days after/],
      ['docs/dpia.md', /whichever is longer \((\w+) days unless set otherwise\)/],
      ['docs/information-governance.md', /whichever is longer \((\w+) days unless set otherwise\)/],
    ],
  ],
  [
    'waiting files of one person',
    constant('service/uploads/previews.ts', 'OF_A_USER_AT_MOST'),
    [
      ['docs/authorities.md', /You can have (\w+) such files at once/],
      ['docs/threat-model.md', /at most (\w+) of each user, \w+ of each council and 16 in all/],
    ],
  ],
  [
    'waiting files of one council',
    constant('service/uploads/previews.ts', 'OF_A_COUNCIL_AT_MOST'),
    [
      ['docs/authorities.md', /and your council (\w+)/],
      ['docs/threat-model.md', /of each user, (\w+) of each council/],
    ],
  ],
  [
    'waiting files in all',
    constant('service/uploads/previews.ts', 'KEPT_AT_MOST'),
    [['docs/threat-model.md', /of each council and (\w+) in all/]],
  ],
  [
    'users that a council may bar in a day',
    constant('loaders/upkeep/restrict.ts', 'BARRED_A_DAY'),
    [
      ['docs/withdrawing-and-protecting.md', /At most (\w+) users are barred in a day/],
      ['docs/clinical-safety.md', /At most (\w+) users are barred in a day/],
      ['docs/threat-model.md', /with name and reason, at most (\w+) in a day/],
      ['schemas/wording/restrictions.ts', /There is a limit: (\w+) users in a day/],
    ],
  ],
  [
    'times in a day that one child’s whereabouts may be protected',
    constant('loaders/upkeep/restrict.ts', 'PROTECTED_A_DAY'),
    [
      [
        'docs/withdrawing-and-protecting.md',
        /whereabouts are protected at most (\w+) times in a day/,
      ],
      ['schemas/wording/restrictions.ts', /(\w+) times in a day for one child’s whereabouts/],
    ],
  ],
  [
    'entries in force for one child',
    constant('loaders/upkeep/restrict.ts', 'RESTRICTIONS_A_CHILD'),
    [
      ['docs/withdrawing-and-protecting.md', /at most (\w+) entries are in force for one child/],
      ['schemas/wording/restrictions.ts', /and (\w+) entries for one child/],
    ],
  ],
  [
    'session endings read at a time',
    constant('store/session-endings.ts', 'ENDINGS_AT_MOST'),
    [['docs/redis-rights.md', /The service reads ([\d,]+) at a time/]],
  ],
  [
    'session endings in the future corrected at a time',
    constant('store/session-endings.ts', 'FUTURE_AT_MOST'),
    [
      ['docs/operating/alerts.md', /or more than (\w+) endings whose time is in the future/],
      [
        'docs/operating/alerts.md',
        /(\w+) endings with a time in the future are put right each second/,
      ],
    ],
  ],
  [
    'seconds of a worker’s lease',
    constant('store/locks/worker-lease.ts', 'WORKER_LEASE_MS') / SECOND,
    [['docs/topologies.md', /that stands by has its lease \(up to (\w+) s\)/]],
  ],
  [
    'minutes that a pause of PDS can last',
    constant('loaders/check/tracing/pds/rate.ts', 'PAUSE_AT_MOST_MS') / MINUTE,
    [['docs/tracing.md', /A pause lasts (\w+) minutes at most/]],
  ],
  [
    'days for which an ended plan is shown',
    PLAN_TYPES['child-protection-plan'].shownForDaysAfterEnd,
    [
      ['docs/authorities.md', /for (\w+) days after it as ended/],
      ['docs/beside-cp-is.md', /Shown after the end \| (\w+) days/],
      ['docs/clinicians.md', /a plan within the last (\w+) days/],
    ],
  ],
  [
    'days for which an unborn child’s plan is shown after its due date',
    PLAN_TYPES['unborn-child-protection-plan'].shownForDaysAfterEnd,
    [
      ['docs/authorities.md', /unborn child's plan until (\w+) days after the due date/],
      ['docs/beside-cp-is.md', /unborn (\w+) days after the due date/],
      ['docs/clinical-safety.md', /shown as in force until (\w+) days past the due date/],
      ['docs/clinicians.md', /shown for (\w+) days after the due date/],
    ],
  ],
];

test.each(FIGURES)('every page gives the figure that the program uses: %s', (_, value, said) => {
  const wrong = said.flatMap(([file, sentence]) => {
    const [found, figure] = sentence.exec(textOf(file).replaceAll(/\s+/g, ' ')) ?? [];
    if (figure === undefined) return [`${file} no longer has a sentence like ${sentence}`];
    return figureOf(figure) === value ? [] : [`${file}: "${found}", but it is ${value}`];
  });
  expect(wrong).toEqual([]);
});
