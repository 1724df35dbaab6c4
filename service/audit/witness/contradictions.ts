import { WITNESSING } from '#schemas/wording/operations.ts';
import { CommitFile, type Contradiction } from '../log/commit.ts';

/** What is wrong with a log that witnesses contradict, and what to do; `undefined` if none does. */
export function contradictionProblem([first]: readonly Contradiction[]): string | undefined {
  if (first === undefined) return undefined;
  return WITNESSING.oldCopy(WITNESSING.contradicted(first.name, first.size, first.ours));
}

/** Like {@link contradictionProblem}, for the log in a folder, if there is one. */
export const contradictionIn = (folder: string): string | undefined =>
  contradictionProblem(CommitFile.contradictionsIfThere(folder));
