import { parseNhsNumber } from '#schemas/nhs-number.ts';
import { exitNow, whenToldToStop } from '#service/cli/signals.ts';
import { testNumber } from '../tests/support/rows.ts';
import { startTestService } from '../tests/support/service.ts';

/** The service to be measured, with a small dataset of its own; prints where it answers, and a token. */

const HELD = 20;

const held = Array.from({ length: HELD }, (_, i) => testNumber(i)).filter(
  (number) => parseNhsNumber(number) !== undefined,
);
const service = await startTestService({
  authorities: [{ code: 'ZZ101', rows: held.map((nhsNumber) => ({ nhsNumber })) }],
});
const token = await service.token(undefined, 3_600);
console.log(
  `service ${JSON.stringify({ port: Number(new URL(service.baseUrl).port), token, held, dataDir: service.dataDir })}`,
);
whenToldToStop(
  () => void service.stopAndRemove().then(() => process.exit(0)),
  () => exitNow(1),
);
