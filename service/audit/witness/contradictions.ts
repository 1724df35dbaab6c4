import { WITNESSING } from '#schemas/wording/operations.ts';
import type { Contradiction } from '../log/commit.ts';
import type { CommitReader } from '../log/commit-reader.ts';

/** What is wrong with a log that witnesses contradict, and what to do; `undefined` if none does. */
export function contradictionProblem([first]: readonly Contradiction[]): string | undefined {
  if (first === undefined) return undefined;
  return WITNESSING.oldCopy(WITNESSING.contradicted(first.name, first.size, first.ours));
}

/** Like {@link contradictionProblem}, for the log in a folder, if there is one. */
export const contradictionIn = async (reader: CommitReader): Promise<string | undefined> =>
  contradictionProblem((await reader.read((commits) => commits.contradictions())) ?? []);
