/** Writes, into folders of its own, each kind of file whose loss in a power cut would matter. Traced by a test. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InboxFiles } from '#loaders/inbox/files.ts';
import { Spool } from '#loaders/spool/spool.ts';
import { folderPlace } from '#service/audit/copy/folder-place.ts';
import { replaceDurably, writeDurably } from '#service/audit/log/log-folder.ts';
import { readOrMakeKeys } from '#service/audit/seal/keys.ts';
import { readOrMakeKey, writePrivate } from '#service/files/private-file.ts';
import { serveDataset } from '#service/files/served-dataset.ts';
import { acknowledgement } from './acknowledgements.ts';
import { WAIT_MS } from './until.ts';

const [folder = ''] = process.argv.slice(2);
for (const kind of ['served', 'signing', 'hashing', 'state', 'log', 'copy', 'spool', 'inbox']) {
  mkdirSync(join(folder, kind), { recursive: true });
}

serveDataset({ DATA_DIR: join(folder, 'served', 'data') }, crypto.randomUUID());
await readOrMakeKeys(join(folder, 'signing', 'new', 'key'), 'example.org/audit');
await readOrMakeKey(join(folder, 'hashing', 'new', 'key'));
await writePrivate(join(folder, 'state', 'new', 'file'), 'text');
writeDurably(join(folder, 'log'), [{ path: 'tile/000', content: Buffer.from('entries') }]);
replaceDurably(join(folder, 'log'), 'checkpoint', 'text');

const copy = folderPlace(join(folder, 'copy'), WAIT_MS);
await copy.create('tile/000', Buffer.from('entries'));
await copy.replace('checkpoint', Buffer.from('text'));

const spool = Spool.create(join(folder, 'spool', 'new'));
spool.addRecord(1, []);
await spool.commitJournal('{}');
await spool.keepHeld(true);
spool.close();

const inbox = await InboxFiles.open(join(folder, 'inbox'), join(folder, 'inbox', 'outbox'));
writeFileSync(join(folder, 'inbox', 'a.csv'), 'text');
const unit = await inbox.take({ name: 'a.csv', files: ['a.csv'], kind: 'plain' });
await inbox.hold(unit, acknowledgement(), 0);
inbox.close();
