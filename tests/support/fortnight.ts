import type { LookupEvent } from '#schemas/audit/audit-event.ts';
import { nhsNumberCheckDigit } from '#schemas/nhs-number.ts';
import type { SealedEvent } from '#service/audit/log/sealed.ts';
import { nurseOf } from './lookup-event.ts';

/** One lookup of a made-up user. */
export type Look = {
  /** Milliseconds. */
  at: number;
  user: string;
  organisation: string;
  access: LookupEvent['access'];
  /** Which child, counted from 0. */
  child: number;
};

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
/** Midnight in London on a Monday in winter, when London's time is UTC. */
const FORTNIGHT_BEGINS = Date.UTC(2026, 10, 16);
const DAYS = 14;

/** A generator of numbers from 0 up to 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Children's arrivals in an emergency department by the hour: few at night, and most after school. */
const EMERGENCY = [2, 2, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 7, 8, 9, 9, 8, 7, 5, 4, 3];
/** Open from eight to eight. */
const DAYTIME = EMERGENCY.map((share, hour) => (hour >= 8 && hour < 20 ? share : 0));
/** Out-of-hours general practice: evenings and nights. */
const EVENINGS = EMERGENCY.map((share, hour) => (hour >= 18 || hour < 8 ? share : 0));

type Site = {
  organisation: string;
  /** Children a day on weekdays and at weekends, and when they come. */
  weekday: number;
  weekend: number;
  weekdayHours: readonly number[];
  weekendHours: readonly number[];
  /** How many clerks register children in each twelve-hour shift. Each child is looked up by one of them. */
  clerks: number;
  /** How many nurses see them. One of the nurses looks up a share of the children again. */
  nurses: number;
  again: number;
};

const site = (
  organisation: string,
  weekday: number,
  weekend: number,
  clerks: number,
  nurses: number,
  differing: Partial<Site> = {},
): Site => ({
  organisation,
  weekday,
  weekend,
  weekdayHours: EMERGENCY,
  weekendHours: EMERGENCY,
  clerks,
  nurses,
  again: 0.6,
  ...differing,
});

/** Ten sites in one area. How many children each sees is what such places report, rounded up. */
const SITES: readonly Site[] = [
  // A children's hospital with one clerk at the desk, who is the busiest user in unscheduled care.
  site('ZZE01', 190, 220, 1, 8),
  site('ZZE02', 95, 105, 2, 5),
  site('ZZE03', 60, 70, 1, 4),
  site('ZZW01', 70, 90, 1, 4, { weekdayHours: DAYTIME, weekendHours: DAYTIME }),
  site('ZZW02', 40, 45, 1, 2, { weekdayHours: DAYTIME, weekendHours: DAYTIME }),
  site('ZZG01', 60, 190, 3, 8, { weekdayHours: EVENINGS }),
  // An ambulance control room: a navigator looks up every child, and crews look up some again.
  site('ZZA01', 260, 300, 2, 30, { again: 0.5 }),
  site('ZZP01', 28, 20, 1, 4, { again: 1 }),
  site('ZZM01', 45, 15, 1, 6, { weekdayHours: DAYTIME, again: 0.8 }),
];
/** The tenth is community paediatrics: clerks look up lists before clinics, and clinicians a child now and then. */
const LISTS = { organisation: 'ZZC01', clerks: 4, least: 30, most: 200, clinicians: 8, anHour: 2 };

/**
 * A fortnight at ten sites where nobody steals anything, in order of time. Weekends are busier, one evening is the
 * worst of the winter, a clerk keys in what came while the network was down, a ward checks everybody at handover,
 * families come together, users look twice, and a school's list is long.
 */
export function fortnight(seed: number): Look[] {
  const random = randomOf(seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  const looks: Look[] = [];
  let child = 0;
  const look = (at: number, user: string, organisation: string, of = child): void => {
    looks.push({ at: Math.round(at), user, organisation, access: 'unscheduled', child: of });
    if (random() < 0.15) {
      looks.push({
        at: Math.round(at + 20_000 + random() * 10 * MINUTE),
        user,
        organisation,
        access: 'unscheduled',
        child: of,
      });
    }
  };
  /** Early shift, late shift and their teams; the same people work for several days in a row. */
  const onShift = (of: Site, at: number, what: string, many: number): string => {
    const shift = Math.floor((at - FORTNIGHT_BEGINS - 7 * HOUR) / (DAY / 2)) + 1;
    const team = shift % 2 === 0 ? Math.floor(shift / 6) % 2 : 2 + (Math.floor(shift / 6) % 2);
    return `${of.organisation}-${what}-${team}-${below(many)}`;
  };

  for (let day = 0; day < DAYS; day++) {
    const midnight = FORTNIGHT_BEGINS + day * DAY;
    const weekend = day % 7 >= 5;
    for (const of of SITES) {
      const hours = weekend ? of.weekendHours : of.weekdayHours;
      const all = hours.reduce((sum, share) => sum + share, 0);
      for (const [hour, share] of hours.entries()) {
        const worst = day === 8 && hour >= 16 && hour < 22 ? 1.8 : 1;
        const expected = ((weekend ? of.weekend : of.weekday) * share * worst) / all;
        // A Poisson process, drawn by the gaps between arrivals.
        for (let t = -Math.log(1 - random()); t < expected; t -= Math.log(1 - random())) {
          const down = of.organisation === 'ZZE02' && day === 3 && hour >= 10 && hour < 12;
          // What came in those two hours is keyed in from noon onwards, two children a minute.
          const at = down
            ? midnight + 12 * HOUR + (hour - 10 + t / expected) * 6 * MINUTE
            : midnight + (hour + t / expected) * HOUR;
          const siblings = random() < 0.08 ? 1 + below(2) : 0;
          for (let i = 0; i <= siblings; i++) {
            child++;
            look(at + i * 8_000, onShift(of, at, 'clerk', down ? 1 : of.clerks), of.organisation);
            if (random() < of.again) {
              look(
                at + 5 * MINUTE + random() * 30 * MINUTE,
                onShift(of, at, 'nurse', of.nurses),
                of.organisation,
              );
            }
          }
        }
      }
      if (of.organisation === 'ZZP01') {
        // Twice a day a nurse looks up every child on the ward again.
        for (const hour of [7.5, 19.5]) {
          const nurse = onShift(of, midnight + hour * HOUR, 'nurse', of.nurses);
          for (let i = 0; i < 28; i++) {
            look(midnight + hour * HOUR + i * 20_000, nurse, of.organisation, child - i);
          }
        }
      }
    }
    if (weekend) continue;
    const silently = (at: number, user: string): void => {
      child++;
      const { organisation } = LISTS;
      looks.push({ at: Math.round(at), user, organisation, access: 'silent-read', child });
    };
    for (let clinician = 0; clinician < LISTS.clinicians; clinician++) {
      for (let i = 0; i < 8 * LISTS.anHour; i++) {
        silently(midnight + (9 + random() * 8) * HOUR, `ZZC01-clinician-${clinician}`);
      }
    }
    for (let clerk = 0; clerk < LISTS.clerks; clerk++) {
      // Once it is the list of a whole school.
      const school = day === 9 && clerk === 0;
      const many = school ? 320 : LISTS.least + below(LISTS.most - LISTS.least);
      const begins = midnight + (9 + random() * 8) * HOUR;
      for (let i = 0; i < many; i++) {
        silently(begins + Math.floor(i / 50) * 40_000, `ZZC01-list-${clerk}`);
      }
    }
  }
  return looks.toSorted((a, b) => a.at - b.at);
}

/** The Wednesday of the second week at half past seven, when scheduled care is open. */
const THEFT_BEGINS = FORTNIGHT_BEGINS + 9 * DAY + 7.5 * HOUR;

/** Thefts of numbers, each by one user who never takes more than a user's limit allows. */
export const THEFTS = {
  '36,000 in a day, 25 a minute': (hours = 24) =>
    theft('patient', hours * 60, (minute) =>
      Array.from({ length: 25 }, (_, i) => ({ child: minute * 25 + i, second: i * 2.4 })),
    ),
  '41,760 in a day, 29 at the beginning of each minute': (hours = 24) =>
    theft('in-steps', hours * 60, (minute) =>
      Array.from({ length: 29 }, (_, i) => ({ child: minute * 29 + i, second: i * 0.2 })),
    ),
  '69,600 in ten hours, in roles at four organisations': (hours = 10) =>
    theft('of-four', hours * 60, (minute) =>
      Array.from({ length: 116 }, (_, i) => ({
        child: minute * 116 + i,
        second: i * 0.5,
        organisation: `ZZE0${1 + (i % 4)}`,
      })),
    ),
  '79,200 silent reads in twelve hours, by batches': (hours = 12) =>
    theft('silent', hours * 60, (minute) =>
      Array.from({ length: 110 }, (_, i) => ({
        child: minute * 110 + i,
        second: Math.floor(i / 50) * 20,
        access: 'silent-read',
      })),
    ),
} satisfies Record<string, (hours?: number) => Look[]>;

/** Made-up children whom nobody else looks up. */
const STOLEN = 300_000;

export function theft(
  user: string,
  minutes: number,
  inMinute: (
    minute: number,
  ) => (Partial<Pick<Look, 'organisation' | 'access'>> & { child: number; second: number })[],
): Look[] {
  return Array.from({ length: minutes }, (_, minute) =>
    inMinute(minute).map(({ child, second, organisation = 'ZZE01', access = 'unscheduled' }) => ({
      at: Math.round(THEFT_BEGINS + minute * MINUTE + second * 1_000),
      user,
      organisation,
      access,
      child: STOLEN + child,
    })),
  ).flat();
}

/**
 * The number of a made-up child, in the 999 range and far from the next child's, with an X if it can have no check
 * digit.
 */
export function numberOf(child: number): string {
  const nine = `999${String((child * 7_919) % 1_000_000).padStart(6, '0')}`;
  return `${nine}${nhsNumberCheckDigit(nine) ?? 'X'}`;
}

/** Lookups as the sealed log has them. */
export const sealedLooks = (looks: readonly Look[], from = 0): SealedEvent[] =>
  looks.map(({ at, user, organisation, access, child }, i) => ({
    index: from + i,
    event: {
      partition: 0,
      number: from + i + 1,
      at,
      outcome: 'not-flagged',
      type: 'lookup',
      auditId: '60e0b220-8136-4ca5-ae46-1d97ef59d068',
      caller: nurseOf(user, organisation),
      api: 'plain',
      setting: 'emergency-department',
      access,
      decidedBy: 'activity',
      nhsNumber: numberOf(child),
      coverage: { expected: 1, upToDate: 1 },
      versions: { functions: 'f', configuration: 'c' },
    },
  }));
