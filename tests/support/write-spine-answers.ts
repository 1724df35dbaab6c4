import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatAcknowledgement, formatNotice } from '#loaders/answers/answers.ts';
import { formatNotification } from '#loaders/answers/notification.ts';
import { everyAcknowledgement, everyNotice, everyNotification } from './acknowledgements.ts';

// Writes one XML of each kind into a folder for its message type, to be checked against the published schemas.
const [out = '.'] = process.argv.slice(2);
const write = (type: string, name: string, xml: string): void => {
  mkdirSync(join(out, type), { recursive: true });
  writeFileSync(join(out, type, `${name}.xml`), xml);
};
for (const [name, acknowledgement] of Object.entries(everyAcknowledgement())) {
  write('REPC_MT000003GB01', name, formatAcknowledgement(acknowledgement, 'xml'));
}
for (const [name, notice] of Object.entries(everyNotice())) {
  write('REPC_MT000005GB01', name, formatNotice(notice, 'xml'));
}
for (const [name, notification] of Object.entries(everyNotification())) {
  write('REPC_MT000004GB01', name, formatNotification(notification, 'xml'));
}
