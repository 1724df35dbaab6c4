import { zonedTimeText } from './times.ts';

/** Why an operator's load, release or removal was not done, and what to do. */

/** Numbers are those of the files themselves. */
export const LOAD_FAILED = {
  noDataset: 'The store holds no dataset. Create one with `cp-flags init`.',
  notTraced:
    'Nothing is loaded into a live dataset without tracing its NHS numbers. Set TRACING=pds, or TRACING=register and TRACING_REGISTER_FILE.',
  notVerified:
    'The store has not been verified since Redis last started, so nothing was changed. A process with role all or worker verifies it: see `cp-flags status`, then do this again.',
  closedMeanwhile:
    'The store was closed meanwhile, or is on another server, so what is held may not be whole. Nothing was changed. Do this again once lookups are answered.',
  clocksApart: (duration: string) =>
    `The clocks of this machine and of Redis are ${duration} apart, so the service cannot tell which children are 18 and which plans are over. Nothing was changed. Set both clocks by a time server, then do this again.`,
  notReadable: (fault: string) => `The file could not be read (${fault}).`,
  nothingChanged: (why: string) => `${why} Nothing was changed.`,
  willResume: (why: string) =>
    `The load was cut short and will be resumed: ${why} The service does that automatically while it runs; or load the file again.`,
  stopped:
    'The process was told to stop before the file was loaded, and nothing was changed. Load it again.',
  /** Something that had been cut short came first. */
  stoppedAfterEarlier:
    'The process was told to stop before the file was loaded. Something of the same authority that was cut short before has been finished or given up; nothing else was changed. Load the file again.',
  stoppedMidway: 'the process was told to stop.',
  notLoaded: (why: string) =>
    `The file was not loaded and nothing was changed: ${why} Correct that and load the file again.`,
  /** For a fault after the load was begun or had ended. */
  loadUnknown: (why: string) =>
    `The file may have been loaded or held: ${why} Load it again. Nothing is done twice, and the answer says what became of it.`,
  /**
   * For what a council changes itself: nobody may think that it was done, since nothing is resumed that had not begun.
   */
  actUnknown: (why: string) =>
    `It failed before it was known to be done: ${why} Look at the list (--list) in a minute. If it does not show what you wanted, do it again.`,
  /** For what an operator decides about an authority. */
  decisionUnknown: (why: string) =>
    `This may have been done, or only part of it: ${why} Look at the page of this council, under Councils in a browser, before you decide once more: it says what counts now.`,
  /** For what is decided about a held file. */
  holdUnknown: (why: string) =>
    `This may have been done, or only part of it: ${why} Look at the page Held files, or at what cp-flags release --list shows. If this one is still there, decide again.`,
  removalUnknown: (why: string) =>
    `The authority may have been removed, or only part of it: ${why} Do it again. If it is not known then, it was removed.`,
  purgeUnfinished: (authorities: readonly string[], why: string) =>
    `Authorities that may not have been purged, or only in part: ${authorities.join(', ')}. ${why} The service finishes what was begun and tries again within a day. To do the rest at once, run cp-flags purge again.`,
  actNotDone: (why: string) => `Nothing was changed: ${why} Correct that and do it again.`,
  loaderAtWork: (authority: string) =>
    `Another loader is working on authority ${authority}. Do this again when it is done.`,
  loaderHeldUp: (authority: string) =>
    `Another loader is in the middle of a file of authority ${authority} and was held up. Let it continue, or end its process; then do this again.`,
  journalGone: (number: number, authority: string) =>
    `File ${number} of authority ${authority} was cut short and its journal is gone, so only a part of it is held. Load that file again, or a full refresh.`,
  numberingLacks: (numbers: readonly number[], authority: string) =>
    `${numbers.length === 1 ? 'File' : 'Files'} ${numbers.join(', ')} of authority ${authority} ${numbers.length === 1 ? 'was' : 'were'} cut short and must be loaded again. After a new numbering that is no longer possible: only a full refresh would then bring the authority up to date. Load what is missing first. If that cannot be done, and a full refresh will come, give --full-refresh-follows. Nothing was changed.`,
  fullRefreshNeeded: (number: number, authority: string) =>
    `File ${number} of authority ${authority} was cut short, so only a part of it is held, and a new numbering has begun since. Only a full refresh brings the authority up to date.`,
  differs: (number: number, authority: string) =>
    `After ${number < 0 ? 'the last file' : `file ${number}`} of authority ${authority} the store did not hold what had been loaded, so plans may be missing. Find out why. Only a full refresh without a refused record brings the authority up to date.`,
  refusedAfterDifference: (number: number, authority: string) =>
    `The store had lost plans of authority ${authority}. Full refresh ${number} was loaded, but some of its records were refused, and a lost plan may be among them. The authority corrects these records and sends another full refresh. If none of them is a plan that should be held, a named person who has asked the authority confirms that (page Councils, or cp-flags authority confirm-plans --full-refresh ${number}).`,
  nothingToConfirm: (authority: string) =>
    `Authority ${authority} has nothing that waits to be confirmed. Nothing was changed.`,
  otherRefresh: (authority: string, number: number) =>
    `Full refresh ${number} of authority ${authority} counts now, and some of its records were refused. Ask the authority about these. Nothing was changed.`,
  numberingOvertaken: (authority: string) =>
    `A file of authority ${authority} was loaded meanwhile, or a new numbering was started. Nothing was changed.`,
  numberingBegun: (authority: string) =>
    `A new numbering of authority ${authority} has begun already, and none of its files has come yet. Nothing was changed.`,
  refreshFirst: (authority: string) =>
    `Authority ${authority} has to send a full refresh first, because it is not known what the store has lost. Nothing was changed.`,
  actGivenUp: (authority: string) =>
    `A person at authority ${authority} was changing something about one child. The change was cut short, and Redis has lost it. None of it was done, and it was given up. Ask the authority to look at its withdrawals and protected children, and to do it again. cp-flags status names what it may still hide.`,
  withdrawalLost: (authority: string) =>
    `A withdrawal of authority ${authority} was cut short. Redis has lost it, and other data too. Stop the service and restore Redis from its last good copy.`,
  restrictionLost: (authority: string) =>
    `Authority ${authority} was changing something that it keeps back about a child. The change was cut short. Redis has lost it, and other data too. Stop the service and restore Redis from its last good copy.`,
  earlierFailed: (name: string, earlier: string) =>
    `${name} was not loaded, because ${earlier} of the same authority could not be loaded before it.`,
  waitsToBeTraced: (number: number, authority: string) =>
    `File ${number} of authority ${authority} waits for its NHS numbers to be traced, and nobody can decide that instead. It is loaded automatically if they can be traced in time. To give it up, discard it (page Held files, or cp-flags release --discard).`,
  noSuchHeldFile:
    'There is no such held file any more: see the page Held files, or cp-flags release --list.',
  heldFileGone: (number: number, authority: string) =>
    `What was held of file ${number} of authority ${authority} is gone from the disk. Discard it, and load the file again.`,
  unknownAuthority: (authority: string) =>
    `Authority ${authority} is not known here. Nothing was changed.`,
  authorityStays: (authority: string) =>
    `Authority ${authority} has loaded files, so it cannot be removed. If it no longer takes part, take it off the list of expected authorities (page Councils expected, or cp-flags authority expect). Nothing was changed.`,
  noNumbering: (authority: string) =>
    `Authority ${authority} has loaded no file yet, so its numbering can start anywhere. Nothing was changed.`,
} as const;

/** The Personal Demographics Service (PDS), with which NHS numbers are traced. */
export const PDS = {
  noAnswer: (why: 'late' | 'unreachable' | 'too large') =>
    ({
      late: 'PDS did not answer in time.',
      unreachable:
        'PDS cannot be reached, or the connection broke off. See PDS_URL and the network.',
      'too large': 'PDS answered with far more than a record has. See PDS_URL.',
    })[why],
  answered: (status: number) =>
    status === 429
      ? 'PDS takes no more requests at the moment (429). Lower PDS_PER_SECOND, or ask for a higher limit.'
      : status === 401 || status === 403
        ? `PDS no longer lets this service in (${status}). Check that its access to PDS is approved and in force.`
        : `PDS answered ${status} with nothing that can be used. See PDS_URL.`,
  noToken: (why: 'late' | 'unreachable' | 'too large') =>
    `PDS gave no access token: the token address ${why === 'too large' ? 'answers with far more than a token' : why === 'late' ? 'did not answer in time' : 'cannot be reached'}. See PDS_TOKEN_URL and the network.`,
  tokenRefused: (status: number) =>
    `PDS gave no access token: the token address answered ${status} without one. See PDS_API_KEY, PDS_KEY_ID and PDS_KEY_FILE, and that the public key is registered.`,
  waiting: (detail: string, records: number, files: number, since: string) =>
    `${detail} ${records === 1 ? '1 record' : `${records} records`} of ${files === 1 ? '1 file' : `${files} files`} ${records === 1 ? 'waits' : 'wait'} to be traced, the oldest since ${zonedTimeText(since)}, and ${records === 1 ? 'is' : 'are'} loaded automatically if that can be done in time.`,
  /** For the Caldicott Guardian. */
  sensitiveAlert: (auditId: string, authorities: readonly string[]) =>
    `The record of a child or mother has become sensitive, and ${authorities.join(', ')} ${authorities.length === 1 ? 'holds' : 'hold'} a plan for this person. The flag is still shown; clinicians are no longer shown who has looked. The council was informed, and is still notified of looks. The NHS number is in the audit: event ${auditId}. Agree with the council whether the plan is to stay.`,
  well: 'PDS answered.',
  lastAsked: (detail: string, at: string) => `${detail} It was last asked at ${zonedTimeText(at)}.`,
  notAsked: 'PDS has not been asked yet.',
  takeUpFailed: 'Records that wait to be traced could not be taken up. The service is retrying.',
  finalFailed: 'A final acknowledgement could not be written. The service is retrying.',
  finalUnreadable:
    'A final acknowledgement could not be written, because its file in acknowledgements/waiting cannot be read, or something is in its way. The service is retrying.',
  recheckFailed: 'NHS numbers could not be checked again. The service is retrying.',
} as const;

/** What NHS numbers are traced with. */
export const TRACING = {
  late: 'Tracing did not answer in time.',
  unreadable: (path: string) => `The register ${path} cannot be read.`,
  unusable: (path: string, why: string) => `The register ${path} cannot be used: ${why}`,
} as const;
