// One list, since each gauge says what it means.

import type { OwnCheck } from '#schemas/status.ts';
import type { Readiness } from '#store/trust/readiness.ts';
import { watchRoom } from '#store/trust/room.ts';
import type { TrustedIssuer } from '../admission/issuers.ts';
import type { Limits } from '../admission/limits/limits.ts';
import type { Audit } from '../audit/audit.ts';
import type { Recorder } from '../audit/record/recorder.ts';
import type { WitnessedLog } from '../audit/witness/witness.ts';
import { type CoverageLimits, coverageOf } from '../lookup/coverage.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { Notifications } from '../notifications/notifications.ts';
import { isReady } from '../routes/status.ts';
import { counter, gauge, type Point, type Reading, type Source } from '../telemetry/instruments.ts';
import type { ForeignWrites } from './foreign-writes.ts';

const truth = (is: boolean): number => (is ? 1 : 0);
const inSeconds = (milliseconds: number | undefined): number | undefined =>
  milliseconds === undefined ? undefined : milliseconds / 1_000;
const secondsUntil = (milliseconds: number): number => (milliseconds - Date.now()) / 1_000;

/** Whether lookups are answered, from what, and how near the store is to its limits. */
export function watchReadiness(readiness: Readiness, limits: CoverageLimits): Source {
  return () => {
    const { memoryFreeShare, fileBytes, diskFreeBytes, diskReserveBytes, clocksApartMs } =
      readiness.measures;
    const now = Date.now();
    const authorities = [...readiness.authorities.values()];
    const { upToDate, coverage, negativesAllowed } = coverageOf(readiness, now, limits);
    const neverAdded = coverage.notUpToDate.filter(({ code }) => !readiness.authorities.has(code));
    const pointsOf = (value: (authority: (typeof authorities)[number]) => number | undefined) =>
      authorities.flatMap((authority): Point[] => {
        const found = value(authority);
        const labels = { 'cp_flags.authority': authority.code };
        return found === undefined ? [] : [{ labels, value: found }];
      });
    return [
      gauge(
        {
          name: 'cp_flags.store.open',
          description: '1 while lookups go to the store; 0 while every one is could-not-check.',
          unit: '',
        },
        truth(readiness.open),
      ),
      gauge(
        {
          name: 'cp_flags.store.ready',
          description: '1 while the store is open and no part of it is in doubt.',
          unit: '',
        },
        truth(readiness.ready),
      ),
      counter(
        {
          name: 'cp_flags.store.failovers',
          description: 'How often sentinels named another primary since the process started.',
          unit: '{failover}',
        },
        readiness.failovers,
      ),
      gauge(
        {
          name: 'cp_flags.store.memory.free',
          description: 'Share of Redis memory that is free; below 0.1 lookups stop.',
          unit: '1',
        },
        memoryFreeShare,
      ),
      gauge(
        {
          name: 'cp_flags.store.file.size',
          description: 'Size of the append-only file of Redis, which it reads when it starts.',
          unit: 'By',
        },
        fileBytes,
      ),
      gauge(
        {
          name: 'cp_flags.store.disk.free',
          description: 'Free space on the disk of an embedded Redis.',
          unit: 'By',
        },
        diskFreeBytes,
      ),
      gauge(
        {
          name: 'cp_flags.store.disk.reserve',
          description: 'Below this much free disk, lookups stop.',
          unit: 'By',
        },
        diskReserveBytes,
      ),
      gauge(
        {
          name: 'cp_flags.store.clock.difference',
          description:
            'Difference between the clocks of service and store; above 5 s lookups stop.',
          unit: 's',
        },
        inSeconds(clocksApartMs),
      ),
      gauge(
        {
          name: 'cp_flags.directory.age',
          description:
            'Time since the directory of authorities was last read; above 5 s lookups stop.',
          unit: 's',
        },
        readiness.authoritiesAt === 0 ? undefined : Math.abs(now - readiness.authoritiesAt) / 1_000,
      ),
      gauge(
        {
          name: 'cp_flags.users.blocked',
          description: 'Users whom the operator has blocked.',
          unit: '{user}',
        },
        readiness.blocked.size,
      ),
      gauge(
        {
          name: 'cp_flags.authorities.expected',
          description: 'Authorities that are expected to send plans.',
          unit: '{authority}',
        },
        coverage.expected,
      ),
      gauge(
        {
          name: 'cp_flags.authorities.up_to_date',
          description: 'Expected authorities that are up to date.',
          unit: '{authority}',
        },
        coverage.upToDate,
      ),
      gauge(
        {
          name: 'cp_flags.negatives.allowed',
          description:
            '0 if a negative is could-not-check, because too few authorities are up to date or none are set as expected.',
          unit: '',
        },
        truth(negativesAllowed),
      ),
      gauge(
        {
          name: 'cp_flags.authority.up_to_date',
          description:
            '1 if the last good file of an authority is recent enough and is held as sent.',
          unit: '',
        },
        [
          ...pointsOf(({ code }) => truth(upToDate.has(code))),
          ...neverAdded.map(
            ({ code }): Point => ({
              labels: { 'cp_flags.authority': code },
              value: 0,
            }),
          ),
        ],
      ),
      gauge(
        {
          name: 'cp_flags.authority.data.age',
          description: 'Age of the last good file of an authority; none before its first.',
          unit: 's',
        },
        pointsOf(({ dataAsOf }) =>
          dataAsOf === undefined ? undefined : (now - Date.parse(dataAsOf)) / 1_000,
        ),
      ),
      gauge(
        {
          name: 'cp_flags.authority.data.age.limit',
          description: 'Above this age an authority is not up to date.',
          unit: 's',
        },
        limits.upToDateMs / 1_000,
      ),
      gauge(
        {
          name: 'cp_flags.authority.rows',
          description: 'Rows held for an authority when its last load was reconciled.',
          unit: '{row}',
        },
        pointsOf(({ rows }) => rows),
      ),
    ];
  };
}

/** Readiness, and every check of `/_status` by the name it has there. */
export function watchChecks(readiness: Readiness, own: () => readonly OwnCheck[]): Source {
  return () => [
    gauge(
      {
        name: 'cp_flags.ready',
        description: '1 while a correct lookup would be answered.',
        unit: '',
      },
      truth(isReady(readiness, own())),
    ),
    gauge(
      {
        name: 'cp_flags.check',
        description: '1 if a check of /_status passes; /_status says what to do if not.',
        unit: '',
      },
      [...readiness.checks().map(({ name, ok }) => ({ name: `store:${name}`, ok })), ...own()].map(
        ({ name, ok }) => ({ labels: { 'cp_flags.check': name }, value: truth(ok) }),
      ),
    ),
  ];
}

/** What others have written to Redis, by what it damaged. In a worker. */
export function watchForeignWrites(read: () => ForeignWrites): Source {
  return () => [
    gauge(
      {
        name: 'cp_flags.store.foreign_writes',
        description: 'Streams, entries and lists written by somebody other than this service.',
        unit: '',
      },
      Object.entries(read()).map(([part, value]) => ({ labels: { 'cp_flags.part': part }, value })),
    ),
  ];
}

/** The sealing of audit events. In a process that seals, or stands by. */
export function watchAudit(audit: Pick<Audit, 'check' | 'numbers'>): Source {
  return () => {
    const { numbers } = audit;
    return [
      gauge(
        {
          name: 'cp_flags.audit.problem',
          description: '1 if audit events are not sealed and somebody must act.',
          unit: '',
        },
        truth(!audit.check().ok),
      ),
      gauge(
        {
          name: 'cp_flags.audit.sealing',
          description: '1 in the process that seals audit events, 0 in one that waits.',
          unit: '',
        },
        truth(numbers !== undefined),
      ),
      gauge(
        {
          name: 'cp_flags.audit.unsealed',
          description: 'Audit events on disk in Redis that are not in the sealed log yet.',
          unit: '{event}',
        },
        numbers?.unsealedEvents,
      ),
      gauge(
        {
          name: 'cp_flags.audit.unsealed.age',
          description: 'Time since the oldest unsealed event.',
          unit: 's',
        },
        inSeconds(numbers?.oldestUnsealedMs),
      ),
      gauge(
        {
          name: 'cp_flags.audit.sealed',
          description: 'Events in the sealed log.',
          unit: '{event}',
        },
        numbers?.sealedEvents,
      ),
      gauge(
        {
          name: 'cp_flags.audit.verification.age',
          description: 'Time since the newest part of the log was last read back as sealed.',
          unit: 's',
        },
        inSeconds(numbers?.verifiedAgoMs),
      ),
      gauge(
        {
          name: 'cp_flags.audit.copied',
          description: 'Events in the second copy of the sealed log.',
          unit: '{event}',
        },
        numbers?.copiedEvents,
      ),
    ];
  };
}

/** The witnessing of the audit log. */
export function watchWitnesses(witnessed: Pick<WitnessedLog, 'numbers'>): Source {
  return () => {
    const { witnessedAgoMs, contradicted, witnesses } = witnessed.numbers;
    return [
      gauge(
        {
          name: 'cp_flags.audit.witnessed.age',
          description:
            'Time since enough witnesses had cosigned a checkpoint; since the start if they never have.',
          unit: 's',
        },
        witnessedAgoMs / 1_000,
      ),
      gauge(
        {
          name: 'cp_flags.audit.contradicted',
          description: '1 if a witness contradicts the audit log here.',
          unit: '',
        },
        truth(contradicted),
      ),
      gauge(
        {
          name: 'cp_flags.audit.witness',
          description: '1 for a witness that cosigns checkpoints.',
          unit: '',
        },
        witnesses.map(({ name, cosigns }) => ({
          labels: { 'cp_flags.witness': name },
          value: truth(cosigns),
        })),
      ),
    ];
  };
}

/** How far authorities are notified of accesses to their children. Only in the process that does it. */
export function watchNotifications(notifications: Pick<Notifications, 'numbers'>): Source {
  return () => {
    const { numbers } = notifications;
    if (numbers === undefined) return [];
    return [
      gauge(
        {
          name: 'cp_flags.notifications.lag',
          description: 'Age of the oldest access that has not been notified.',
          unit: 's',
        },
        numbers.lagMs / 1_000,
      ),
      gauge(
        {
          name: 'cp_flags.notifications.behind',
          description: 'Sealed events that have not been read for notifications yet.',
          unit: '{event}',
        },
        numbers.behindEvents,
      ),
      gauge(
        {
          name: 'cp_flags.notifications.unwritten',
          description: 'Notifications waiting to be written into the outbox.',
          unit: '{notification}',
        },
        numbers.unwritten,
      ),
      gauge(
        {
          name: 'cp_flags.notifications.unreadable',
          description:
            'Events in the log that could not be read, so that an access may not be notified.',
          unit: '{event}',
        },
        numbers.unreadable,
      ),
    ];
  };
}

/** The mailbox in MESH. In the process that works on it. */
export function watchMesh(mesh: Pick<Mesh, 'numbers'>): Source {
  return () => {
    const { numbers } = mesh;
    if (numbers === undefined) return [];
    const { oldestWaiting } = numbers;
    return [
      gauge(
        {
          name: 'cp_flags.mesh.problem',
          description: '1 if the MESH mailbox cannot be used.',
          unit: '',
        },
        truth(numbers.problem),
      ),
      gauge(
        {
          name: 'cp_flags.mesh.poll.age',
          description: 'Time since the mailbox was last checked.',
          unit: 's',
        },
        inSeconds(numbers.polledAgoMs),
      ),
      gauge(
        {
          name: 'cp_flags.mesh.unfetched',
          description: 'Messages that could not be fetched yet, or are not with the intake yet.',
          unit: '{message}',
        },
        numbers.unfetched,
      ),
      gauge(
        {
          name: 'cp_flags.mesh.waiting',
          description: 'Messages that MESH has not taken yet.',
          unit: '{message}',
        },
        numbers.waiting,
      ),
      gauge(
        {
          name: 'cp_flags.mesh.waiting.age',
          description: 'Time since the oldest of them was written.',
          unit: 's',
        },
        oldestWaiting === undefined ? 0 : Math.max(0, -secondsUntil(oldestWaiting)),
      ),
      gauge(
        {
          name: 'cp_flags.mesh.undelivered',
          description: 'Messages that MESH has and their recipients have not fetched yet.',
          unit: '{message}',
        },
        numbers.undelivered,
      ),
      gauge(
        {
          name: 'cp_flags.mesh.failed',
          description: 'Messages that were not delivered and are not sent again automatically.',
          unit: '{message}',
        },
        numbers.failed,
      ),
      gauge(
        {
          name: 'cp_flags.mesh.unclear',
          description: 'Messages that MESH may or may not have taken.',
          unit: '{message}',
        },
        numbers.unclear,
      ),
    ];
  };
}

/** Events that are not answers, on their way to the audit, and what limits and watches requests. */
export function watchAccessContext({
  recorder,
  limits,
  alerts,
}: {
  recorder: Pick<Recorder, 'waiting' | 'lost'>;
  limits: Pick<Limits, 'size'>;
  alerts: () => number;
}): Source {
  return () => [
    gauge(
      {
        name: 'cp_flags.audit.spooled',
        description:
          'Events about refusals and undelivered answers, waiting on disk until Redis is back.',
        unit: '{event}',
      },
      recorder.waiting,
    ),
    counter(
      {
        name: 'cp_flags.audit.lost',
        description:
          'Events about refusals and undelivered answers that found no room and were only counted. Never an answer.',
        unit: '{event}',
      },
      recorder.lost,
    ),
    gauge(
      {
        name: 'cp_flags.limits.buckets',
        description: 'Users, clients and organisations whose requests are being counted.',
        unit: '{bucket}',
      },
      limits.size,
    ),
    gauge(
      {
        name: 'cp_flags.enumeration.alerts',
        description: 'Alerts in the last hour about users who look up numbers in an unusual way.',
        unit: '{alert}',
      },
      alerts(),
    ),
  ];
}

/** What expires: the certificate shown, and issuers' keys that can no longer be fetched. */
export function watchExpiry(
  certificate: (() => number) | undefined,
  issuers: readonly Pick<TrustedIssuer, 'issuer' | 'keys'>[],
): Source {
  return () => [
    gauge(
      {
        name: 'cp_flags.tls.certificate.remaining',
        description: 'Time until the first certificate in the chain ends.',
        unit: 's',
      },
      certificate === undefined ? undefined : secondsUntil(certificate()),
    ),
    gauge(
      {
        name: 'cp_flags.issuer.keys.remaining',
        description:
          'How long the keys of an issuer count unless they can be fetched again; a day after each fetch.',
        unit: 's',
      },
      issuers.flatMap(({ issuer, keys: { remainingMs } }) =>
        remainingMs === undefined
          ? []
          : [{ labels: { 'cp_flags.issuer': issuer }, value: remainingMs / 1_000 }],
      ),
    ),
  ];
}

/** Room on the disks under folders; a missing folder is left out, and one whose disk does not answer. */
export function watchFolders(folders: Readonly<Record<string, string>>): Source {
  const disks = Object.entries(folders).map(([folder, path]) => ({
    labels: { 'cp_flags.folder': folder },
    look: watchRoom(path),
  }));
  return async (): Promise<Reading[]> => {
    const looks = disks.map(async ({ labels, look }) => {
      const found = await look();
      return found.kind === 'room' ? [{ labels, ...found.room }] : [];
    });
    const found = (await Promise.all(looks)).flat();
    return [
      gauge(
        {
          name: 'cp_flags.disk.free',
          description: 'Free space on the disk under a folder.',
          unit: 'By',
        },
        found.map(({ labels, free }) => ({ labels, value: free })),
      ),
      gauge(
        {
          name: 'cp_flags.disk.size',
          description: 'Size of the disk under a folder.',
          unit: 'By',
        },
        found.map(({ labels, size }) => ({ labels, value: size })),
      ),
    ];
  };
}
