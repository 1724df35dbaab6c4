import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OwnCheckName } from '#schemas/status.ts';
import { answering, concernsOf } from '#service/pages/operator/answering.ts';
import type { ProcessState } from '#service/pages/operator/processes.ts';
import { readRunbook } from '#service/pages/operator/runbook.ts';
import { answeredWithinMs } from '#service/pages/operator/speed.ts';
import { SECONDS } from '#service/telemetry/metrics.ts';
import type { CheckName } from '#store/trust/readiness.ts';

const runbook = readRunbook();
const OWN = '00000000-0000-4000-8000-000000000000';

/** What the overview says if nothing is wrong but what a test says. */
const concernsIf = (differing: Partial<Parameters<typeof concernsOf>[0]>) =>
  concernsOf({
    checks: [],
    runbook,
    instance: OWN,
    processes: [],
    behind: [],
    expected: 3,
    held: 0,
    waiting: [],
    expiries: [],
    now: 0,
    ...differing,
  });

const councils = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ code: `ZZ${i + 1}`, name: `Council ${i + 1}` }));

const processes = fc.array(
  fc.record<ProcessState>({
    instance: fc.uuid(),
    running: fc.constantFrom(
      ...['lookup', 'all', 'worker'].map((role) => ({
        role,
        version: '1',
        node: '24',
        openssl: '3',
      })),
      undefined,
    ),
    lastAt: fc.constant(0),
    state: fc.constantFrom('ready', 'partly', 'not-ready', 'silent', 'ended'),
    failing: fc.array(fc.constantFrom('access:issuers', 'tls:certificate'), { maxLength: 2 }),
  }),
  { maxLength: 5 },
);

describe('saying that lookups are answered', () => {
  test('never happens while the store is in doubt, nobody answers, or a working process does not answer or recently did not', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.option(fc.boolean(), { nil: undefined }),
        fc.option(processes, { nil: undefined }),
        fc.boolean(),
        (isStoreReady, isOwnReady, known, negativesAllowed) => {
          const state = answering({
            isStoreReady,
            isOwnReady,
            negativesAllowed,
            instance: OWN,
            processes: known,
          });
          const atWork = (known ?? []).filter(
            ({ running, state: is }) =>
              running !== undefined &&
              running.role !== 'worker' &&
              is !== 'silent' &&
              is !== 'ended',
          );
          const doubt =
            !isStoreReady ||
            isOwnReady === false ||
            (isOwnReady === undefined && atWork.length === 0) ||
            atWork.some((each) => each.state !== 'ready');
          expect(state === 'all').toBe(!doubt && negativesAllowed);
          expect(state === 'withheld').toBe(!doubt && !negativesAllowed);
        },
      ),
    );
  });

  test('comes with everything that is wrong, what stops lookups first, and where to go for each', () => {
    const checks = fc.array(
      fc.record({
        name: fc.constantFrom('store:whole', 'store:opened', 'audit-sealed', 'made-up'),
        ok: fc.boolean(),
        detail: fc.string(),
        stops: fc.boolean(),
      }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(checks, processes, fc.nat(3), fc.nat(3), (all, known, behind, held) => {
        const concerns = concernsIf({
          checks: all,
          processes: known,
          behind: councils(behind),
          held,
          waiting: all.some(({ ok }) => !ok) ? ['promotion', 'gap'] : [],
        });
        const levels = concerns.map(({ level }) => ['stops', 'partly', 'warns'].indexOf(level));
        expect(levels).toEqual(levels.toSorted((a, b) => a - b));
        for (const { ok, detail, stops } of all) {
          if (ok) continue;
          const saying = concerns.filter(({ text }) => text.includes(detail));
          expect(saying.length).toBeGreaterThan(0);
          if (stops) expect(saying.some(({ level }) => level === 'stops')).toBe(true);
        }
        for (const { to } of concerns) {
          expect(to.href).toMatch(
            /^\/operator\/(?:[a-z]+(?:#[a-z]+)?|running\/decisions\/[a-z]+|councils\/ZZ1)$/,
          );
        }
        const silent = known.filter(({ state }) => state === 'silent').length;
        expect(concerns.length).toBeGreaterThanOrEqual(silent);
      }),
    );
  });

  test('lists what several checks say in the same words once, as its worst, with the page where something can be done', () => {
    const away = 'The replica is away.';
    const copyAway = 'The folder is not there.';
    const concerns = concernsIf({
      checks: [
        { name: 'store:replica-servers', ok: false, detail: away, stops: false },
        { name: 'store:replicas', ok: false, detail: away, stops: true },
        { name: 'audit-sealed', ok: false, detail: `${copyAway} 1 event waits.`, stops: false },
        { name: 'audit-copy', ok: false, detail: copyAway, stops: false },
      ],
    });
    expect(concerns.map(({ level, text, to }) => [level, text, to.href])).toEqual([
      ['stops', away, '/operator/running/decisions/replicas'],
      ['warns', `${copyAway} 1 event waits.`, '/operator/running/decisions/copy'],
    ]);
  });
});

test.each([
  [1, '/operator/councils/ZZ1'],
  [2, '/operator/councils'],
])('if %i of the councils is out of date, the first page leads to %s', (behind, href) => {
  const [concern] = concernsIf({
    behind: councils(behind),
  });
  expect(concern?.to.href).toBe(href);
});

test.each([
  ['the copy cannot be used', true],
  ['another reason', false],
] as const)(
  'what a worker needs is not in the second copy, because of %s: the first page leads to continuing with one copy: %s',
  (_, isCopyAway) => {
    const [concern] = concernsIf({
      checks: [{ name: 'worker-state', ok: false, detail: 'Why.', stops: false, isCopyAway }],
    });
    expect(concern?.to.href === '/operator/running/decisions/copy').toBe(isCopyAway);
  },
);

test.each([
  ['unanswered', false],
  ['notAllowed', true],
] as const)(
  'reports that cannot be read because Redis says %s: the Redis users are named only if they are the cause: %s',
  (processes, isOfUsers) => {
    const [concern] = concernsIf({
      processes,
    });
    expect(concern?.text.includes('Give Redis the users')).toBe(isOfUsers);
  },
);

test('a certificate that expires within 30 days needs attention, and keys that are fetched again all the time do not', () => {
  const day = 86_400_000;
  const concerns = concernsIf({
    expiries: [
      { what: 'TLS_CERT_FILE', endsAt: 29 * day, changedAt: 0 },
      { what: 'MESH_CERT_FILE', endsAt: 31 * day, changedAt: 0 },
      { what: 'Keys of an issuer', endsAt: day, isFetched: true },
      { what: 'SESSION_KEYS_FILE', changedAt: 0 },
    ],
  });
  expect(concerns.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^TLS_CERT_FILE expires at /),
  ]);
});

/** The section about each check; of those without a section of their own, the table of other checks has a row. */
const SECTIONS: Record<`store:${CheckName}` | OwnCheckName, string> = {
  'store:redis-reachable': 'storeclosed',
  'store:primary': 'storeclosed',
  'store:functions': 'storeclosed',
  'store:writable': 'storeclosed',
  'store:dataset': 'storeclosed',
  'store:opened': 'storeclosed',
  'store:whole': 'storepartlyindoubt',
  'store:durable': 'storeclosed',
  'store:replicas': 'storeclosed',
  'store:single-mode': 'singlemode',
  'store:replica-servers': 'replicamissing',
  'store:sentinels': 'checkfails',
  'store:memory': 'storememorylow',
  'store:disk': 'storedisklow',
  'store:file-rewritten': 'checkfails',
  'store:clock': 'clocksapart',
  'store:directory': 'storeclosed',
  'store:blocked-users': 'checkfails',
  'store:numbers-in-use': 'checkfails',
  'store:worker': 'auditnobodyseals',
  'access:children-counted': 'childrennotcounted',
  'access:enumeration': 'numberstriedout',
  'access:issuers': 'issuerkeysexpire',
  'access:organisations': 'notready',
  'access:revocations': 'checkfails',
  'audit-copy': 'secondcopyaway',
  'audit-sealed': 'auditnotsealed',
  'audit-witnessed': 'auditnotwitnessed',
  'audit:known-types': 'checkfails',
  'coverage:expected': 'negativeswithheld',
  'coverage:share': 'negativeswithheld',
  'mesh:mailbox': 'meshaway',
  notifications: 'notificationslate',
  'notifications:preferences': 'checkfails',
  'pages:sessions': 'sessionsunknown',
  'pages:sign-in': 'signinaway',
  'process:disk': 'disklow',
  'store:cut-short': 'checkfails',
  'store:foreign-writes': 'foreignwrites',
  'store:verified': 'checkfails',
  'tls:certificate': 'certificateexpires',
  'tracing:pds': 'checkfails',
  worker: 'checkfails',
  'worker-state': 'secondcopyaway',
};
const otherChecks = runbook.text
  .slice(runbook.text.indexOf('### CheckFails'))
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)])
  .map(([, check = '']) => check);

test.each(Object.entries(SECTIONS))(
  'the advice on %s is in the section about it, %s, and in no other',
  (check, section) => {
    expect(runbook.sectionOf(check)).toBe(section);
    expect(runbook.text.toLowerCase()).toContain(`### ${section}\n`);
    const listed = runbook.text
      .split('\n')
      .filter((line) => new RegExp(`^\\*\\w+\\.\\* Checks? [^.]*\`${check}\``).test(line));
    const others = otherChecks.filter((each) => each === check);
    expect(listed.length + others.length).toBe(1);
    expect(others.length).toBe(section === 'checkfails' ? 1 : 0);
  },
);

test('the table of other checks has no check that does not exist', () => {
  expect(otherChecks.filter((check) => !Object.hasOwn(SECTIONS, check))).toEqual([]);
});

test('the advice on a check from a later version is the advice on any check', () => {
  expect(runbook.sectionOf('store:of-a-later-version')).toBe('checkfails');
});

test('a response time is never rounded down', () => {
  const counts = fc.array(fc.nat(50), {
    minLength: SECONDS.length + 1,
    maxLength: SECONDS.length + 1,
  });
  fc.assert(
    fc.property(counts, fc.constantFrom(0.5, 0.99), (took, share) => {
      const all = took.reduce((sum, each) => sum + each, 0);
      const within = answeredWithinMs(took, share);
      if (all === 0) return expect(within).toBeUndefined();
      const bounds = [...SECONDS, Number.POSITIVE_INFINITY].map((seconds) => seconds * 1_000);
      const covered = took.reduce(
        (sum, each, i) => ((bounds[i] ?? 0) <= (within ?? 0) ? sum + each : sum),
        0,
      );
      if (within !== undefined && within <= 10_000) {
        expect(covered).toBeGreaterThanOrEqual(all * share);
      }
    }),
  );
});
