import type { OnProgress } from '#loaders/check/progress.ts';
import { counted, figure } from '#schemas/wording/counts.ts';
import { type FileProgress, NOT_BEGUN, progressOf, secondsLeft } from '../uploads/progress.ts';

/** The part of a terminal or pipe that progress is written to. */
type ProgressOutput = { isTTY?: boolean; columns?: number; write(text: string): unknown };

type Progress = {
  /** Reports the progress of one file, for `loadFile`. */
  reportOf(file: number): OnProgress;
  /** The file has been answered, or could not be loaded. */
  done(file: number): void;
  /** Removes the bar from the terminal, before anything else is written there. The next report redraws it. */
  clear(): void;
};

const REDRAWN_EVERY_MS = 100;
const LINE_EVERY_MS = 5_000;
const BAR_WIDTH = 24;
const NARROW = 70;

function timeText(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/**
 * Shows how far a load of files has got: on a terminal a bar that is redrawn in place, elsewhere a plain line
 * every few seconds, so that the log of a short load has none.
 *
 * @param files with their sizes as sent, in bytes, which weight the share of the work
 */
export function createProgress(
  output: ProgressOutput,
  files: readonly { name: string; sizeBytes: number }[],
  now: () => number = () => performance.now(),
): Progress {
  const terminal = output.isTTY === true;
  // A pseudo-terminal may report a width of none.
  const columns = output.columns || 80;
  const everyMs = terminal ? REDRAWN_EVERY_MS : LINE_EVERY_MS;
  const states: FileProgress[] = files.map(() => NOT_BEGUN);
  const answered = new Set<number>();
  const beganAt = now();
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let shownAt = terminal ? Number.NEGATIVE_INFINITY : beganAt;
  let drawn = false;

  function text(): string {
    const weighted = files.reduce(
      (sum, { sizeBytes }, i) => sum + sizeBytes * (states[i]?.share ?? 0),
      0,
    );
    const share = totalBytes === 0 ? 0 : weighted / totalBytes;
    const records = states.reduce((sum, state) => sum + state.records, 0);
    const seconds = (now() - beganAt) / 1000;
    const what =
      files.length === 1
        ? (states[0]?.doing ?? '')
        : `${figure(answered.size)} of ${counted(files.length, 'file')}`;
    const parts = [`${Math.floor(share * 100)} %`, what, counted(records, 'record')];
    if (seconds >= 1 && share > 0) {
      parts.push(`${figure(Math.round(records / seconds))} a second`);
      parts.push(`${timeText(secondsLeft(seconds, share))} left`);
    }
    const said = parts.join(', ');
    if (!terminal) return `${files.length === 1 ? `${files[0]?.name}: ` : ''}${said}`;
    if (columns < NARROW) return said;
    const full = Math.round(share * BAR_WIDTH);
    return `[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}] ${said}`;
  }

  function show(): void {
    if (now() - shownAt < everyMs) return;
    shownAt = now();
    if (!terminal) {
      output.write(`${text()}\n`);
      return;
    }
    // Cut to the width: a line that wraps cannot be redrawn in place.
    output.write(`\r${text().slice(0, columns - 1)}\u001b[K`);
    drawn = true;
  }

  return {
    reportOf: (file) => (progress) => {
      const before = states[file] ?? NOT_BEGUN;
      states[file] = progressOf(progress, files[file]?.sizeBytes ?? 0, before);
      show();
    },
    done(file) {
      answered.add(file);
      states[file] = { share: 1, records: states[file]?.records ?? 0, doing: 'done' };
    },
    clear() {
      if (drawn) output.write('\r\u001b[K');
      drawn = false;
    },
  };
}
