import { existsSync } from 'node:fs';

/** The library that gives a process its own clock, set in a file that may change. This is where Debian installs it. */
const FAKETIME = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`;

/** Whether processes can be given such a clock on this machine. */
export const canTurnClocks: boolean = existsSync(FAKETIME);

/** What the file says if the clock is right. */
export const CLOCK_RIGHT = '+0';

/** The environment of a process whose clock follows a file: `+0`, or how far it is wrong, such as `-1h`. */
export const clockFrom = (file: string): Record<string, string> =>
  canTurnClocks
    ? {
        LD_PRELOAD: FAKETIME,
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_CACHE_DURATION: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      }
    : {};
