import { parentPort, workerData } from 'node:worker_threads';
import { readWitnesses } from './witnesses-file.ts';
import { startWitnessing, type Witnessing } from './witnessing.ts';

/** What the thread is given to work with. */
export type ThreadSettings = { folder: string; witnessesFile: string };

const { folder, witnessesFile } = workerData as ThreadSettings;
const parsed = readWitnesses(witnessesFile, 'ask');
// Read before by the process, which does not start with a faulty one.
if (parsed.kind === 'wrong') throw new Error(parsed.detail);
const witnessing = startWitnessing({
  folder,
  witnesses: parsed.witnesses,
  tell: (state: Witnessing) => parentPort?.postMessage(state, []),
});
parentPort?.once('message', () => {
  void witnessing.stop().then(() => parentPort?.close());
});
