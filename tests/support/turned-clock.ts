import { existsSync } from 'node:fs';

/** The library that gives a process a clock of its own, in a file that may change; as Debian installs it. */
const FAKETIME = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`;

/** Whether a process can be given such a clock here. */
export const canTurnClocks: boolean = existsSync(FAKETIME);

/** What the file of a clock says where the clock is right. */
export const CLOCK_RIGHT = '+0';

/** The environment of a process whose clock follows a file: `+0`, or how far it is off, as `-1h`. */
export const clockFrom = (file: string): Record<string, string> =>
  canTurnClocks
    ? {
        LD_PRELOAD: FAKETIME,
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_CACHE_DURATION: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      }
    : {};
