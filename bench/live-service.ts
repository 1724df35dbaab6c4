import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { odsCodeSchema } from '#schemas/authority.ts';
import { parseNhsNumber } from '#schemas/nhs-number.ts';
import { exitNow, whenToldToStop } from '#service/cli/signals.ts';
import { liveIssuer, liveSettings, settingFiles } from '../tests/support/live.ts';
import { testNumber } from '../tests/support/rows.ts';
import { claims, startTestService } from '../tests/support/service.ts';

/**
 * A service with a small live dataset, to which lookup processes with or without pages can be added, since a
 * demo always has pages. Prints where its data is, the settings for sharing it, and a token. Writes into a
 * given folder.
 */

const [, , folder = ''] = process.argv;
const ISSUER = 'https://identity.example';
const HELD = 20;
const COUNCIL = { code: odsCodeSchema.parse('ZZ101'), name: 'Council ZZ101' };

const write = settingFiles(() => folder);
const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
await write('jwks.json', { keys: [await exportJWK(publicKey)] });
const held = Array.from({ length: HELD }, (_, i) => testNumber(i)).filter(
  (number) => parseNhsNumber(number) !== undefined,
);
const { TRACING, TRACING_REGISTER_FILE, ...live } = await liveSettings(write, {
  organisations: [{ code: 'ZZH01', name: 'A hospital', setting: 'emergency-department' }],
  child: held[0] ?? '',
});
const settings = {
  ...live,
  ISSUERS_FILE: await write('issuers.json', [liveIssuer(ISSUER)]),
  USER_LIMIT: '0',
  CLIENT_LIMIT: '0',
  ORGANISATION_LIMIT: '0',
};
const service = await startTestService({
  kind: 'live',
  environment: { ...settings, TRACING, TRACING_REGISTER_FILE },
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
whenToldToStop(
  () => void service.stopAndRemove().then(() => process.exit(0)),
  () => exitNow(1),
);
