import { expect, test } from 'vitest';
import type { RecordedEvent } from '#schemas/audit/audit-event.ts';
import { lookUpAlone } from '../../support/lookup-parts.ts';

test.each([
  ['was last read more than five seconds ago', -5_100, 'directory'],
  ['was read by a clock that was ahead', 5_100, 'directory'],
  ['was read a moment ago', -1_000, 'store'],
])(
  'if the directory of councils %s, the cause of could-not-check is its age or the store’s',
  async (_, readMs, cause) => {
    const events: RecordedEvent[] = [];
    const answer = await lookUpAlone({
      readiness: { open: true, authorities: new Map(), authoritiesAt: Date.now() + readMs },
      store: {
        lookup: () => Promise.resolve({ kind: 'could-not-check', cause: 'store' }),
        underWay: () => 0,
        idle: () => Promise.resolve(),
        record: () => Promise.resolve(),
      },
      recorder: { record: (event) => void events.push(event) },
    });
    expect(answer).toEqual({ kind: 'could-not-check', code: 'could-not-check' });
    expect(events).toMatchObject([{ type: 'could-not-check', cause }]);
  },
);
