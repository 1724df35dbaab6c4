import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { problemSchema } from '#schemas/errors.ts';
import { batchAnswerSchema, lookupAnswerSchema } from '#schemas/lookup.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { NUMBER_NOT_IN_USE } from '#schemas/wording/lookup.ts';
import { READINESS } from '#schemas/wording/store.ts';
import { keys } from '#store/keys.ts';
import { markNumber } from '#store/rows/not-in-use.ts';
import { testNumber } from '../../support/rows.ts';
import {
  claims,
  startTestService,
  type TestService,
  testFolder,
  until,
} from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';

const REPLACED = testNumber(701);
const NEW = testNumber(702);
const WITHDRAWN = testNumber(703);
const REPLACED_HELD = testNumber(704);
const SENSITIVE = testNumber(705);
const UNLISTED = testNumber(706);
const HELD_SENSITIVE = testNumber(707);
const HELD_LATER_SENSITIVE = testNumber(708);
const HEADER = 'nhs_number,status,replaced_by,date_of_birth,given_name,family_name';
const person = '2019-03-05,Ada,Example';

let folder: string;
let service: TestService;

async function writeRegister(...lines: string[]): Promise<string> {
  const path = join(folder, 'register.csv');
  await writeFile(`${path}.new`, `${[HEADER, ...lines].join('\n')}\n`);
  await rename(`${path}.new`, path);
  return path;
}

beforeAll(async () => {
  folder = await testFolder();
  service = await startTestService({
    environment: {
      REREAD_SECONDS: '0.05',
      TRACING: 'register',
      TRACING_REGISTER_FILE: await writeRegister(
        `${REPLACED},superseded,${NEW},${person}`,
        `${REPLACED_HELD},superseded,${NEW},${person}`,
        `${NEW},current,,${person}`,
        `${WITHDRAWN},inactive,,${person}`,
        `${SENSITIVE},sensitive,,,,`,
      ),
    },
    authorities: [
      {
        code: 'ZZ101',
        rows: [REPLACED_HELD, HELD_SENSITIVE, HELD_LATER_SENSITIVE].map((nhsNumber) => ({
          nhsNumber,
        })),
      },
    ],
  });
});
afterAll(async () => {
  await service?.stopAndRemove();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const outcomeOf = async (nhsNumber: string) =>
  lookupAnswerSchema.parse(await (await service.answered({ nhsNumber })).json()).outcome;

/** The answer about a number that is not in use. Before it there may be one that the check could not be made. */
async function refused(
  ask: () => Promise<Response>,
): Promise<{ response: Response; text: string }> {
  let response = await ask();
  let text = await response.text();
  await until(async () => {
    if (text.includes('number-not-in-use')) return true;
    response = await ask();
    text = await response.text();
    return text.includes('number-not-in-use');
  }, 'the answer');
  return { response, text };
}

test('a replaced or withdrawn number is could-not-check, and the answer says why', async () => {
  for (const nhsNumber of [REPLACED, WITHDRAWN]) {
    const { response, text } = await refused(() => service.lookup({ nhsNumber }));
    expect(response.status).toBe(503);
    expect(problemSchema.parse(JSON.parse(text))).toMatchObject({
      code: 'number-not-in-use',
      checked: false,
      advice: [NUMBER_NOT_IN_USE],
    });
    // Trying again does not help, and the new number may belong to an adopted child.
    expect(response.headers.get('retry-after')).toBeNull();
    expect(text).not.toContain(NEW);
    await until(
      async () =>
        (await service.events()).some(
          (event) =>
            event.type === 'could-not-check' &&
            event.nhsNumber === nhsNumber &&
            event.cause === 'not-in-use',
        ),
      'the event',
    );
  }
});

test('a plan held under such a number is shown', async () => {
  expect(await outcomeOf(REPLACED_HELD)).toBe('flagged');
});

test('a number in use is a negative, and so is that of a sensitive record, which nothing reveals', async () => {
  expect(await outcomeOf(NEW)).toBe('not-flagged');
  expect(await outcomeOf(SENSITIVE)).toBe('not-flagged');
});

test('FHIR says the same', async () => {
  const token = await service.token();
  const { response, text } = await refused(() =>
    fetch(`${service.baseUrl}/FHIR/R4/CareTeam/_search`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'x-request-id': randomUUID() },
      body: new URLSearchParams({
        'patient:identifier': `https://fhir.nhs.uk/Id/nhs-number|${REPLACED}`,
      }),
    }),
  );
  expect(response.status).toBe(503);
  expect(text).toContain(NUMBER_NOT_IN_USE);
  expect(text).not.toContain(NEW);
});

test('in a batch, only that item could not be checked', async () => {
  const token = await service.token(claims({ activities: ['B0170'] }));
  const response = await untilAnswered(() =>
    fetch(`${service.baseUrl}/lookup/batch`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'x-request-id': randomUUID(),
      },
      body: JSON.stringify({ items: [{ nhsNumber: REPLACED }, { nhsNumber: NEW }] }),
    }),
  );
  expect(batchAnswerSchema.parse(await response.json())).toMatchObject({
    checked: false,
    items: [{ code: 'number-not-in-use', checked: false }, { outcome: 'not-flagged' }],
  });
});

test('if the register says that a number is in use again, it is looked up again', async () => {
  await writeRegister(`${REPLACED},current,,${person}`, `${NEW},superseded,${REPLACED},${person}`);
  await until(async () => (await service.lookup({ nhsNumber: REPLACED })).status === 200);
  await refused(() => service.lookup({ nhsNumber: NEW }));
  // An unusable register is no reason to believe that a number is in use.
  await writeRegister('nonsense');
  await until(() => service.lines.join().includes('numbers no longer in use could not be stored'));
  await refused(() => service.lookup({ nhsNumber: NEW }));
});

test('if the register says that a record has become sensitive, a plan under its number is shown, and nobody who looked', async () => {
  const shown = async () =>
    lookupAnswerSchema.parse(
      await (await service.answered({ nhsNumber: HELD_LATER_SENSITIVE })).json(),
    );
  expect(await shown()).toHaveProperty('accesses');
  await writeRegister(
    `${NEW},current,,${person}`,
    `${SENSITIVE},sensitive,,,,`,
    `${HELD_LATER_SENSITIVE},sensitive,,,,`,
  );
  await until(async () => (await shown()).accesses === undefined, 'nobody to be shown');
  expect((await shown()).outcome).toBe('flagged');
  // Of no other number does the store know that its record is sensitive.
  const other = keys.notInUse(partitionOf(SENSITIVE));
  expect(await service.admin.sismember(other, `S${SENSITIVE}`)).toBe(0);
  // It may be known from elsewhere.
  await writeRegister(
    `${NEW},superseded,${REPLACED},${person}`,
    `${REPLACED},current,,${person}`,
    `${HELD_LATER_SENSITIVE},current,,${person}`,
  );
  await refused(() => service.lookup({ nhsNumber: NEW }));
  expect((await shown()).accesses).toBeUndefined();
});

test('what PDS said about numbers that the register does not list is kept, for both replaced numbers and sensitive records', async () => {
  await markNumber(service.admin, UNLISTED, 'not-in-use');
  await markNumber(service.admin, HELD_SENSITIVE, 'sensitive');
  await writeRegister(
    `${NEW},current,,${person}`,
    `${WITHDRAWN},inactive,,${person}`,
    `${HELD_SENSITIVE},current,,${person}`,
  );
  await until(async () => (await service.lookup({ nhsNumber: NEW })).status === 200);
  await refused(() => service.lookup({ nhsNumber: UNLISTED }));
  const answer = lookupAnswerSchema.parse(
    await (await service.answered({ nhsNumber: HELD_SENSITIVE })).json(),
  );
  expect(answer.outcome).toBe('flagged');
  expect(answer).not.toHaveProperty('accesses');
});

test('a number that was replaced is could-not-check also if its record is sensitive; a plan under it is shown, and nobody who looked', async () => {
  await markNumber(service.admin, UNLISTED, 'sensitive-not-in-use');
  await markNumber(service.admin, HELD_SENSITIVE, 'sensitive-not-in-use');
  await refused(() => service.lookup({ nhsNumber: UNLISTED }));
  const answer = lookupAnswerSchema.parse(
    await (await service.answered({ nhsNumber: HELD_SENSITIVE })).json(),
  );
  expect(answer.outcome).toBe('flagged');
  expect(answer).not.toHaveProperty('accesses');
});

test('with an earlier version’s Redis user, lookups continue and the status warns', async () => {
  const acl = (await service.admin.acl('LIST')).find((user) => user.startsWith('user cpf-lookup '));
  const withoutRight = (acl ?? '')
    .replace(/^user cpf-lookup /, '')
    .replace(/\(([^()]*)\+sismember([^()]*)\)/, '');
  expect(withoutRight).not.toContain('sismember');
  const rules = withoutRight.match(/\([^)]*\)|\S+/g) ?? [];
  await service.admin.acl('SETUSER', 'cpf-lookup', 'reset', ...rules);
  expect(await outcomeOf(NEW)).toBe('not-flagged');
  await until(async () => {
    const response = await fetch(`${service.baseUrl}/_status`);
    return (
      response.status === 200 &&
      (await response.text()).includes(READINESS.numbersInUseUnread.notAllowed)
    );
  }, 'the warning');
});
