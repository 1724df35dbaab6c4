import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { odsCodeSchema } from '#schemas/authority.ts';
import { addDays, londonDate } from '#schemas/calendar.ts';
import { isOfficeOpen } from '#schemas/office-hours.ts';
import { RESULT } from '#schemas/wording/pages.ts';
import { phones } from '#service/pages/html/parts.ts';
import { run } from '../../support/processes.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';
import { signedIn } from '../../support/visitor.ts';

const OFFICE = '02079460110';
const EMERGENCY = '02079460199';
const council = {
  officeHoursPhone: OFFICE,
  emergencyDutyTeamPhone: EMERGENCY,
  officeHours: 'Mon-Fri 08:30-17:00',
};

/** The numbers in their order, and which of them are marked. */
function shown(markup: string): { order: string[]; marked: string[] } {
  const items = [...markup.matchAll(/<li[^>]*>[\s\S]*?<\/li>/g)].flatMap(([item]) => {
    const number = /tel:([0-9]+)/.exec(item)?.[1];
    return number === undefined ? [] : [{ number, marked: item.includes(RESULT.ringNow) }];
  });
  return {
    order: items.map(({ number }) => number),
    marked: items.filter(({ marked }) => marked).map(({ number }) => number),
  };
}
const at = (iso: string): number => Date.parse(iso);
const OFFICE_FIRST = { order: [OFFICE, EMERGENCY], marked: [OFFICE] };
const EMERGENCY_FIRST = { order: [EMERGENCY, OFFICE], marked: [EMERGENCY] };
const ALIKE = { order: [OFFICE, EMERGENCY], marked: [] };

describe('the number that answers now comes first and is marked', () => {
  test.for([
    ['at three in the morning', '2026-11-30T03:00:00Z', EMERGENCY_FIRST],
    ['at ten in the morning', '2026-11-30T10:00:00Z', OFFICE_FIRST],
    ['a second before the office closes', '2026-11-30T16:59:59Z', OFFICE_FIRST],
    ['when the office closes', '2026-11-30T17:00:00Z', EMERGENCY_FIRST],
    ['when it opens by summer time', '2026-07-01T07:30:00Z', OFFICE_FIRST],
    ['on a bank holiday', '2026-12-28T10:00:00Z', EMERGENCY_FIRST],
  ] as const)('%s', ([, iso, expected]) => {
    expect(shown(phones(council, at(iso)))).toEqual(expected);
  });
});

describe('both numbers are shown alike', () => {
  const night = at('2026-11-30T03:00:00Z');
  test.for([
    ['where the council gave no hours', { ...council, officeHours: undefined }, night],
    ['where its hours cannot be read', { ...council, officeHours: 'always' }, night],
    ['where the time is not given, as on a page to print', council, undefined],
  ] as const)('%s', ([, of, time]) => {
    expect(shown(phones(of, time))).toEqual(ALIKE);
  });

  test('a single number is shown without a mark', () => {
    const only = phones({ ...council, officeHoursPhone: undefined }, night);
    expect(shown(only)).toEqual({ order: [EMERGENCY], marked: [] });
  });
});

describe('hours given by a council', () => {
  const PLAN = testNumber(7_601);
  const ENDED = testNumber(7_602);
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({
      authorities: [
        {
          code: 'ZZ101',
          name: 'Northmoor Council',
          officeHoursPhone: OFFICE,
          rows: [{ nhsNumber: PLAN }, { nhsNumber: ENDED, endDate: yesterday() }],
        },
      ],
    });
  });
  afterAll(() => service?.stopAndRemove());

  const set = (hours: string) =>
    run(['authority', 'set', 'ZZ101', '--office-hours', hours], { DATA_DIR: service.dataDir });

  test('mark its number on an answer, are shown on the page of numbers, and can be removed', async () => {
    const nurse = await signedIn(service);
    expect(shown((await nurse.lookUp(PLAN)).text)).toEqual(ALIKE);
    const hours = 'Mon-Fri 08:30-17:00';
    expect((await set(hours)).stdout).toContain('changed');
    const marked = async (): Promise<boolean> =>
      (await nurse.lookUp(PLAN)).text.includes(RESULT.ringNow);
    await until(marked, 'the hours');
    for (const number of [PLAN, ENDED]) {
      const before = isOfficeOpen(hours, Date.now());
      const found = shown((await nurse.lookUp(number)).text);
      if (before === isOfficeOpen(hours, Date.now())) {
        expect(found).toEqual(before === true ? OFFICE_FIRST : EMERGENCY_FIRST);
      }
    }
    const numbers = await nurse.get('/councils');
    expect(shown(numbers.text)).toEqual(ALIKE);
    expect(numbers.text).toContain('Monday to Friday, 8:30am to 5pm');
    expect((await set('none')).code).toBe(0);
    await until(async () => !(await marked()), 'no hours');
    expect((await service.store.authority(odsCodeSchema.parse('ZZ101')))?.name).toBe(
      'Northmoor Council',
    );
  });

  test('are refused in any other form', async () => {
    expect(await set('nine to five')).toMatchObject({ code: 2 });
  });
});

function yesterday() {
  return addDays(londonDate(Date.now()), -1);
}
