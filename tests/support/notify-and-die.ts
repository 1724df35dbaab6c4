import { setImmediate as immediate } from 'node:timers/promises';
import { createNotifier } from '#service/notifications/notifier.ts';

// Notifies authorities of what is sealed in a folder until the test kills it, which happens at random moments.
const [folder = '', outbox = ''] = process.argv.slice(2);
const notifier = createNotifier({ folder, outbox, windowMs: 5, keepMs: 86_400_000 });
notifier.use({
  authorities: [
    { code: 'ZZ101', name: 'Council ZZ101', sequenceOffset: 0 },
    { code: 'ZZ102', name: 'Council ZZ102', sequenceOffset: 0 },
  ],
  preferences: {},
});
// Never outlives the test, however that ends.
process.stdin.on('end', () => process.exit()).resume();
process.stdout.write('ready\n');
for (;;) {
  await notifier.step();
  await immediate();
}
