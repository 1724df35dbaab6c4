import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { authoritySchema } from '#schemas/authority.ts';
import { type NhsNumber, parseNhsNumber } from '#schemas/nhs-number.ts';
import { SAMPLE_AUTHORITIES, SAMPLE_REHEARSALS } from '#schemas/sample.ts';
import { createRehearsals } from '#service/lookup/rehearsals.ts';
import { startTestService, type TestService, until } from '../../support/service.ts';

const numbers = SAMPLE_REHEARSALS.map(({ nhsNumber }) => parseNhsNumber(nhsNumber) as NhsNumber);

let service: TestService;
beforeAll(async () => {
  service = await startTestService({
    authorities: SAMPLE_AUTHORITIES.map(({ code }) => ({ code })),
  });
});
afterAll(() => service?.stopAndRemove());

test('only a demo with the sample rehearses: elsewhere its numbers are ordinary ones', () => {
  const sample = new Map(
    SAMPLE_AUTHORITIES.map(({ format: _format, ...authority }) => [
      authority.code,
      authoritySchema.parse(authority),
    ]),
  );
  const others = new Map([...sample].slice(1));
  for (const [isDemo, authorities, rehearsed] of [
    [true, sample, numbers.length],
    [true, others, 0],
    [false, sample, 0],
    [undefined, sample, 0],
  ] as const) {
    const rehearse = createRehearsals({
      isDemo: () => isDemo,
      directory: { authorities, expected: undefined, dataset: undefined },
      limits: { upToDateMs: 1, minimumShare: { demo: 0, live: undefined } },
    });
    expect(numbers.filter((number) => rehearse(number) !== undefined)).toHaveLength(rehearsed);
  }
});

test('a rehearsed answer is audited as a rehearsal', async () => {
  const of = (kind: string) =>
    SAMPLE_REHEARSALS.find(({ rehearses }) => rehearses === kind)?.nhsNumber ?? '';
  const look = async (nhsNumber: string, status: number) => {
    let requestId = '';
    await until(async () => {
      requestId = randomUUID();
      const headers = { 'x-request-id': requestId };
      return (await service.lookup({ nhsNumber }, { headers })).status === status;
    }, 'the answer');
    const found = async () =>
      (await service.events()).find(
        (event) => 'requestId' in event && event.requestId === requestId,
      );
    await until(async () => (await found()) !== undefined, 'the event');
    return found();
  };
  expect(await look(of('unchecked'), 503)).toMatchObject({
    type: 'could-not-check',
    cause: 'rehearsal',
  });
  expect(await look(of('behind'), 200)).toMatchObject({
    type: 'lookup',
    outcome: 'not-flagged',
    coverage: { expected: 3, upToDate: 2 },
  });
});
