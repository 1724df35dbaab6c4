import { expect, test } from 'vitest';
import { LoadSlots } from '#loaders/load/load-slots.ts';
import { startLoading } from '../../support/upload-loading.ts';
import { planOf, RECEIVED_AT } from '../../support/upload-model.ts';

const { newAuthority, loadRecords } = await startLoading();
const YEAR_MS = 365 * 86_400_000;

test('a file that waits for its turn while the clock is ahead does not count as received at that time', async () => {
  const slots = new LoadSlots(1);
  const give = await slots.take();
  let clock = RECEIVED_AT + YEAR_MS;
  const options = { slots, now: () => clock };
  const loading = loadRecords(newAuthority(), 1, [planOf(1)], options);
  clock = RECEIVED_AT;
  give();
  const { code, file } = await loading;
  expect([code, Date.parse(file.receivedAt)]).toEqual(['CPF02', RECEIVED_AT]);
});
