import type { SessionEndings } from '#store/session-endings.ts';

/** What a process knows of sessions that have ended: nothing, unless a test says so. */
export const sessionEndings = (differing: Partial<SessionEndings> = {}): SessionEndings => ({
  current: true,
  isRead: true,
  state: { ok: true, detail: '', since: '' },
  isLost: () => false,
  now: Date.now,
  hasEnded: () => false,
  endSession: () => Promise.resolve(),
  endByToken: () => Promise.resolve(true),
  once: () => Promise.resolve(true),
  choose: () => Promise.resolve('first'),
  stop: () => undefined,
  ...differing,
});
