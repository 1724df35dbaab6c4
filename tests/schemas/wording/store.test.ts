import { expect, test } from 'vitest';
import { DURABILITY, READINESS, REPLICAS } from '#schemas/wording/store.ts';

/** A small letter after the end of a sentence. */
const HALF_SENTENCE = /[.!?] [a-z]/;

const REFUSALS = [
  'LOADING',
  'MASTERDOWN',
  'NOREPLICAS',
  'READONLY',
  'MISCONF',
  'OOM',
  'NOPERM',
  'OTHER',
  '',
];

test('what keeps lookups from being answered is said in whole sentences, whatever the cause', () => {
  const said = [
    REPLICAS.unfit(1, 2, REPLICAS.notInStep('10.0.2.1:6379')),
    ...REFUSALS.map(READINESS.refuses),
    ...REFUSALS.map(READINESS.refusesChecks),
    ...REFUSALS.map(READINESS.refusesFunctions),
    ...Object.values(READINESS.blockedUnread),
    ...Object.values(READINESS.numbersInUseUnread),
    ...Object.values(READINESS.workerUnread),
    READINESS.authorityUnreadable('ZZ101'),
    ...Object.values(READINESS.directoryUnread),
    READINESS.littleMemory(9, 10),
    READINESS.littleDisk(100),
    REPLICAS.missing(0, 2),
    REPLICAS.silent(2),
    REPLICAS.noAgreement(1),
    DURABILITY.saidLongAgo(5_000),
    DURABILITY.wrong('appendfsync', 'always'),
  ];
  expect(said.filter((sentence) => HALF_SENTENCE.test(sentence))).toEqual([]);
});
