import { rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signInFileSchema } from '#schemas/people/sign-in.ts';
import { NOT_CHECKED } from '#schemas/wording/pages.ts';
import {
  type Cis2,
  openFor,
  providerBySecret,
  signInAtCis2,
  startCis2,
} from '../../support/cis2.ts';
import { testNumber } from '../../support/rows.ts';
import { startTestService, type TestService, testFolder } from '../../support/service.ts';
import { untilAnswered } from '../../support/until.ts';
import { createVisitor } from '../../support/visitor.ts';

/** What happens to running sessions when SIGN_IN_FILE is corrected. */

const PLAN = testNumber(7_401);
let dataDir: string;
let cis2: Cis2;
let service: TestService | undefined;

beforeAll(async () => {
  dataDir = await testFolder();
  cis2 = await startCis2();
});
afterAll(async () => {
  await service?.stopAndRemove();
  await cis2?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

test('a session ends once its provider is set for other people, or is trusted less', async () => {
  const { baseUrl, environment } = await openFor(cis2, dataDir);
  const visitor = createVisitor(baseUrl);
  let look: Record<string, string> = {};
  const startWith = async (more: Record<string, unknown>): Promise<void> => {
    await service?.stop();
    const providers = [{ ...providerBySecret(cis2), ...more }];
    await writeFile(environment.SIGN_IN_FILE, JSON.stringify(providers));
    service = await startTestService({
      dataDir,
      environment,
      ...(service === undefined
        ? {
            authorities: [
              { code: 'ZZ101', name: 'Northmoor Council', rows: [{ nhsNumber: PLAN }] },
            ],
          }
        : { kind: 'none' as const }),
    });
  };
  const looksUp = async (): Promise<string> =>
    (await untilAnswered(() => visitor.post('/look-up', { ...look, number: PLAN }))).heading;

  await startWith({});
  await signInAtCis2(cis2, visitor, '555000020001');
  look = await visitor.form('/look-up');
  const jar = new Map(visitor.jar);
  expect((await visitor.get('/look-up')).status).toBe(200);

  for (const changed of [{ for: 'councils' }, { identityAssurance: 4 }]) {
    await startWith(changed);
    for (const [name, cookie] of jar) visitor.jar.set(name, cookie);
    expect(await looksUp()).toBe(NOT_CHECKED.over);
  }
}, 60_000);

test('no provider may have the id of the demo’s people', () => {
  const named = (id: string): boolean =>
    signInFileSchema.safeParse([
      {
        id,
        name: 'Other Identity',
        issuer: 'https://id.example',
        clientId: 'x',
        clientSecretFile: 's',
      },
    ]).success;
  expect([named('demo'), named('demos')]).toEqual([false, true]);
});
