import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createCommits } from '#service/audit/copy/commits.ts';
import { folderPlace } from '#service/audit/copy/folder-place.ts';
import { numberPath } from '#service/audit/copy/numbered.ts';
import { readDemo, startServing } from '../../support/processes.ts';
import { testFolder, until } from '../../support/service.ts';

/** The sealing thread is given five seconds to end and one more after that; then come the last lines of the log. */
const STOPS_WITHIN_MS = 20_000;

// This test spends most of its time waiting, so only `npm run test:faults` runs it.
test.skipIf(process.env['MUTE_COPY'] === undefined)(
  'a service whose second copy hangs answers lookups, and stops with the exit code of any other stop',
  { timeout: 90_000 },
  async () => {
    const folder = await testFolder();
    const [dataDir, copy] = [join(folder, 'data'), join(folder, 'copy')];
    for (const each of [dataDir, copy]) mkdirSync(each);
    const service = await startServing(['--demo'], { DATA_DIR: dataDir, AUDIT_COPY: copy });
    const demo = await readDemo(dataDir);
    const commits = createCommits(folderPlace(copy, 5_000));
    const lookUp = async (): Promise<number> => {
      const response = await fetch(`${service.baseUrl}/lookup`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${demo.tokens['emergencyDepartment']}`,
          'x-request-id': crypto.randomUUID(),
          'content-type': 'application/json',
        },
        body: JSON.stringify({ nhsNumber: '9990000018' }),
      });
      await response.arrayBuffer();
      return response.status;
    };
    try {
      let size = -1;
      await until(async () => {
        const before = size;
        size = (await commits.newest())?.size ?? -1;
        return size > 0 && size === before;
      }, 'the copy to have everything');
      // Opening a FIFO blocks until somebody writes to it, as any call does on a mount that has gone away.
      const next = join(copy, 'log', numberPath(size));
      mkdirSync(join(next, '..'), { recursive: true });
      execFileSync('mkfifo', [next]);
      await until(async () => (await lookUp()) === 200, 'an answer');
      await until(async () => {
        const response = await fetch(`${service.baseUrl}/_status`);
        return (await response.text()).includes('no answer within');
      }, 'the copy to be away');
      await until(async () => (await lookUp()) === 200, 'an answer');
      service.kill('SIGTERM');
      const late = new Promise((resolve) => setTimeout(resolve, STOPS_WITHIN_MS, 'late'));
      const ended = await Promise.race([service.ended, late]);
      expect(ended).toMatchObject({ code: 0 });
    } finally {
      service.kill('SIGKILL');
    }
  },
);
