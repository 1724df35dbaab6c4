import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { odsCodeSchema } from '#schemas/authority.ts';
import { parseNhsNumber } from '#schemas/nhs-number.ts';
import { testNumber } from '../tests/support/rows.ts';
import { claims, startTestService } from '../tests/support/service.ts';

/**
 * A service with a small live dataset, to which lookup processes can be put that have pages or have none: a demo
 * always has them. Says where its data is, by which settings they share it, and a token. Writes into a folder given.
 */

const [, , folder = ''] = process.argv;
const ISSUER = 'https://identity.example';
const HELD = 20;
const COUNCIL = { code: odsCodeSchema.parse('ZZ101'), name: 'Council ZZ101' };

const write = async (name: string, content: unknown): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, JSON.stringify(content));
  return path;
};

const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
await write('jwks.json', { keys: [await exportJWK(publicKey)] });
const settings = {
  ISSUERS_FILE: await write('issuers.json', [
    { issuer: ISSUER, audience: 'flags', algorithms: ['ES256'], jwksFile: 'jwks.json' },
  ]),
  ORGANISATIONS_FILE: await write('organisations.json', [
    { code: 'ZZH01', name: 'A hospital', setting: 'emergency-department' },
  ]),
  USER_LIMIT: '0',
  CLIENT_LIMIT: '0',
  ORGANISATION_LIMIT: '0',
  MINIMUM_COVERAGE: '1',
  MINIMUM_COVERAGE_ACCEPTED_BY: 'a benchmark',
};
const held = Array.from({ length: HELD }, (_, i) => testNumber(i)).filter(
  (number) => parseNhsNumber(number) !== undefined,
);
await writeFile(
  join(folder, 'register.csv'),
  `nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n${held[0]},,,2019-03-05,Ada,Example\n`,
);
const service = await startTestService({
  kind: 'live',
  environment: {
    ...settings,
    TRACING: 'register',
    TRACING_REGISTER_FILE: join(folder, 'register.csv'),
  },
  authorities: [{ ...COUNCIL, rows: held.map((nhsNumber) => ({ nhsNumber })) }],
});
await service.store.setExpected(
  { area: 'A benchmark', kind: 'pilot', authorities: [COUNCIL] },
  { by: 'a benchmark', reason: 'a benchmark' },
);
const token = await new SignJWT({ ...claims() })
  .setProtectedHeader({ alg: 'ES256' })
  .setIssuer(ISSUER)
  .setAudience('flags')
  .setExpirationTime('1h')
  .sign(privateKey);
const dataset = await service.store.dataset();
const said = {
  token,
  held,
  dataDir: service.dataDir,
  settings: { ...settings, DATASET_ID: dataset?.id },
};
console.log(`service ${JSON.stringify(said)}`);
process.on('SIGTERM', () => void service.stopAndRemove().then(() => process.exit(0)));
