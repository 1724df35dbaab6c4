/**
 * Loaded beside a program by `--import`: at SIGUSR2 it begins to sample what the program allocates, including
 * what is collected again, and at the next one it writes the profile into ALLOCATIONS_FOLDER, named after its
 * process.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';

/** Eight times as often as by default, since a round is over after some hundred megabytes. */
const SAMPLED_EVERY_BYTES = 4_096;

const session = new Session();
session.connect();
process.once('SIGUSR2', () => {
  session.post('HeapProfiler.startSampling', {
    samplingInterval: SAMPLED_EVERY_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  process.once('SIGUSR2', () => {
    session.post('HeapProfiler.stopSampling', (_, { profile }) => {
      const file = `${process.env['ALLOCATIONS_FOLDER']}/cpf-allocations-${process.pid}.json`;
      writeFileSync(`${file}.part`, JSON.stringify(profile));
      renameSync(`${file}.part`, file);
    });
  });
});
