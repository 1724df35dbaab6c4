import { expect, test } from 'vitest';
import { logReadiness } from '#service/start/readiness-log.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { until } from '../../support/until.ts';

test('the log says that the store is ready, not that lookups are answered, which other checks decide as well', async () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line: string) => void lines.push(line) });
  const stop = logReadiness({ ready: true, checks: () => [] }, log);
  try {
    await until(() => lines.length > 0, 'a line of the log');
    expect(lines.join('')).toContain('The store is ready.');
    expect(lines.join('')).not.toContain('lookups are answered');
  } finally {
    stop();
  }
});
