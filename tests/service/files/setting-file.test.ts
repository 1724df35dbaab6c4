import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mailboxesFileSchema } from '#schemas/uploads/mesh.ts';
import { readSettingFile } from '#service/files/setting-file.ts';
import { testFolder } from '../../support/service.ts';

test('a settings file with a wrong name of a member is refused with the name and the reason', async () => {
  const path = join(await testFolder(), 'mailboxes.json');
  await writeFile(path, JSON.stringify({ M1: 'V145' }));
  await expect(readSettingFile('MESH_MAILBOXES_FILE', path, mailboxesFileSchema)).rejects.toThrow(
    `MESH_MAILBOXES_FILE: ${path}: M1: must be a MESH mailbox: 3 to 20 letters and digits.`,
  );
});
