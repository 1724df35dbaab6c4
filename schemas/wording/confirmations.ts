import { counted, figure } from './counts.ts';
import { durationText } from './durations.ts';
import { zonedTimeText } from './times.ts';

/** What a named person reads before and after confirming something: on the command line and on the operator's pages. */

const VERIFIED = 'The store is verified within ten seconds.';

export const CONFIRMED = {
  promotion: {
    replica: 'This Redis is a replica. Promote it first, or set REDIS_URL to the primary.',
    known: 'This Redis gave the last answers: there is nothing to confirm.',
    tooMany: (missing: number) =>
      `${counted(missing, 'event is', 'events are')} missing from this Redis, more than a replica can lag behind: it is an old copy. Restore Redis from its last good copy.`,
    done: (missing: number, lastAlive: string) =>
      `Confirmed. ${missing === 1 ? '1 event that was known is' : `${figure(missing)} events that were known are`} missing. Events recorded after ${zonedTimeText(lastAlive)}, until the former primary ended, may be missing too: inform the privacy officer. ${VERIFIED}`,
  },
  'old-copy': {
    nothing:
      'This data folder was in use within the last 24 hours, and no witness knows a newer one: there is nothing to confirm.',
    done: (lastAlive: string) =>
      `Confirmed. Anything loaded or recorded after ${zonedTimeText(lastAlive)} is not here: have every authority send its newest full file, or all files since. ${VERIFIED}`,
  },
  clock: {
    nothing: 'The clock of Redis is not behind: there is nothing to confirm.',
    apart: (apartMs: number) =>
      `The clocks of this machine and of Redis are ${durationText(apartMs)} apart. Set both by a time server first.`,
    done: (newest: string) =>
      `Confirmed. Until ${zonedTimeText(newest)}, what was loaded while the clock was ahead seems newer than it is: have every authority send its newest file. ${VERIFIED}`,
  },
  gap: {
    noLog: 'There is no audit log yet.',
    otherDataset: 'Redis and the audit log do not belong to the same dataset.',
    /** @param why a sentence */
    notLost: (why: string) => `No events are lost. ${why}`,
    back: (stream: string) =>
      `Redis is older than the log (${stream}), which a gap cannot explain: stop the service and restore Redis from its last good copy.`,
    nothing: 'No events are missing between the log and Redis: there is no gap.',
    beyond: (here: number, sealed: number) =>
      `From now on this log seals the events. It has ${counted(here, 'event')}; ${figure(sealed)} were sealed in the copy that is lost.`,
    events: (from: number, to: number, stream: string) =>
      from === to
        ? `Accepted: event ${from} of ${stream} is lost.`
        : `Accepted: events ${from} to ${to} of ${stream} are lost.`,
    adopted: 'From now on this log seals the events of this Redis; another log did before.',
    /** Nothing more than the record is known to be done. */
    recorded: (cause: string) =>
      `The decision is on record, but may not be carried out. The cause: ${cause}.`,
    failed: (cause: string) => `The rest may not be done. The cause: ${cause}.`,
    recordedOnly: 'The decision is on record, but was not carried out.',
    restNotDone: 'The rest was not done.',
  },
} as const;
