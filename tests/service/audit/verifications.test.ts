import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { readOrMakeKeys } from '#service/audit/seal/keys.ts';
import { openVerifications } from '#service/audit/verifications/verifications.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { auditFolder, makeLog, ORIGIN, removeAuditFolders } from '../../support/audit.ts';
import { until } from '../../support/until.ts';

afterEach(removeAuditFolders);

test('a verification whose thread cannot begin does not count as running', async () => {
  const place = auditFolder();
  const verifications = await openVerifications({
    // Nothing that can be handed to a thread.
    folder: (() => place) as unknown as string,
    keyFile: join(place, 'audit-key'),
    witnessesFile: undefined,
    resultFile: join(place, 'result.json'),
    record: () => Promise.resolve(),
    log: createLog('silent'),
  });
  expect(() => verifications.start('A. Example', undefined)).toThrow('could not be cloned');
  expect(verifications.state().running).toBeUndefined();
  await verifications.stop();
});

test('a verification runs until it is on record, and the next one is never mistaken for an unfinished one', async () => {
  const place = auditFolder();
  const keyFile = join(place, 'audit-key');
  const [signer] = await readOrMakeKeys(keyFile, ORIGIN);
  if (signer === undefined) throw new Error('no key was made');
  const { folder } = makeLog(5, signer);
  const asked: PromiseWithResolvers<void>[] = [];
  const verifications = await openVerifications({
    folder,
    keyFile,
    witnessesFile: undefined,
    resultFile: join(place, 'result.json'),
    record() {
      const recording = Promise.withResolvers<void>();
      asked.push(recording);
      return recording.promise;
    },
    log: createLog('silent'),
  });

  expect(verifications.start('the first', undefined)).toBe(true);
  await until(() => asked.length === 1, 'the end of the first');
  expect(verifications.state().running).toMatchObject({ by: 'the first' });
  expect(verifications.start('too early', undefined)).toBe(false);
  asked[0]?.resolve();
  await until(() => verifications.state().running === undefined, 'the record of the first');
  expect(verifications.state().last).toMatchObject({ whole: true, continues: false });

  expect(verifications.start('the second', undefined)).toBe(true);
  await until(() => asked.length === 2, 'the end of the second');
  asked[1]?.resolve();
  await until(() => verifications.state().running === undefined, 'the record of the second');
  expect(verifications.state()).toMatchObject({ last: { by: 'the second', continues: true } });
  expect(verifications.state().failedAt).toBeUndefined();

  // A verification that is not recorded does not count, and the earlier result stays.
  expect(verifications.start('the third', undefined)).toBe(true);
  await until(() => asked.length === 3, 'the end of the third');
  asked[2]?.reject(new Error('Redis is away'));
  await until(() => verifications.state().running === undefined, 'the end of the third');
  expect(verifications.state().failedAt).toBeDefined();
  expect(verifications.state().last).toMatchObject({ by: 'the second' });
});
