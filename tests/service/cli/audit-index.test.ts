import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfiguration } from '#schemas/configuration.ts';
import { NoIndex } from '#service/audit/search/search.ts';
import { lookInto } from '#service/cli/audit-index.ts';
import { startTestService } from '../../support/service.ts';
import { until } from '../../support/test-store.ts';

test('an audit search that loses its index while it runs fails for that reason, and leaves no event saying that it was made', async () => {
  const service = await startTestService();
  try {
    const configuration = readConfiguration({ DATA_DIR: service.dataDir });
    await until(() => existsSync(join(service.dataDir, 'audit', 'checkpoint')), 'the audit log');
    const look = lookInto(
      configuration,
      async () => {
        throw new NoIndex('it was taken away');
      },
      () => {
        throw new Error('a search that was not made was to be recorded');
      },
    );
    await expect(look).rejects.toThrow(NoIndex);
  } finally {
    await service.stopAndRemove();
  }
});
