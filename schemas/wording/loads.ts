/** Why an operator's load, release or removal was not done, and what to do. */

/** Numbers are those of the files themselves. */
export const LOAD_FAILED = {
  noDataset: 'The store holds no dataset. Create one with `cp-flags init`.',
  notTraced:
    'Nothing is loaded into a live dataset without tracing its NHS numbers. Set TRACING and TRACING_REGISTER_FILE.',
  notVerified:
    'The store has not been verified since Redis last started, so nothing was changed. A process with role all or worker verifies it: see `cp-flags status`, then do this again.',
  notReadable: (fault: string) => `The file could not be read (${fault}).`,
  nothingChanged: (why: string) => `${why} Nothing was changed.`,
  willResume: (why: string) =>
    `The load was cut short and will be resumed: ${why} Load the file again, or start the service.`,
  notLoaded: (why: string) =>
    `The file was not loaded and nothing was changed: ${why} Correct that and load the file again.`,
  loaderAtWork: (authority: string) =>
    `Another loader is working on authority ${authority}. Load the file again when it is done.`,
  loaderHeldUp: (authority: string) =>
    `Another loader is in the middle of a file of authority ${authority} and was held up. Let it continue, or end its process; then do this again.`,
  journalGone: (number: number, authority: string) =>
    `File ${number} of authority ${authority} was cut short and its journal is gone. Load that file again.`,
  journalGoneBefore: (number: number, authority: string, what: 'do this again' | 'this one') =>
    `File ${number} of authority ${authority} was cut short and its journal is gone. Load that file again first, then ${what}.`,
  earlierFailed: (name: string, earlier: string) =>
    `${name} was not loaded, because ${earlier} of the same authority could not be. Nothing of it was changed.`,
  noSuchHeldFile: 'There is no such hold any more: see cp-flags release --list.',
  heldFileGone: (number: number, authority: string) =>
    `What was held of file ${number} of authority ${authority} is gone from the disk. Discard it, and load the file again.`,
  unknownAuthority: (authority: string) =>
    `Authority ${authority} is not known here. Nothing was changed.`,
  authorityStays: (authority: string) =>
    `Authority ${authority} has loaded files, so it cannot be removed: lookups still say that it is not up to date. Nothing was changed.`,
  noNumbering: (authority: string) =>
    `Authority ${authority} has loaded no file yet, so its numbering can start anywhere. Nothing was changed.`,
} as const;

/** Of what NHS numbers are traced with. */
export const TRACING = {
  late: 'Tracing did not answer in time.',
  unreadable: (path: string) => `The register ${path} cannot be read.`,
  unusable: (path: string, why: string) => `The register ${path} cannot be used: ${why}`,
} as const;
