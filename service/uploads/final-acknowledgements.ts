import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { acknowledgementFormats, formatAcknowledgement } from '#loaders/answers/answers.ts';
import { type Acknowledgement, acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { writePrivate } from '../files/private-file.ts';

/** Provisional acknowledgements, one for each waiting file. */
const waitingFolder = (folder: string): string => join(folder, 'waiting');

const pathsOf = (folder: string, acknowledgement: Acknowledgement) => {
  const { authority, sequence } = acknowledgement;
  const stem = join(folder, `${authority?.code}-${sequence}.ack`);
  return acknowledgementFormats(acknowledgement).map((format) => ({
    format,
    path: `${stem}.${format}`,
  }));
};

/**
 * Records that the command that loaded a file ends before its final acknowledgement is known, so that a
 * worker writes it later.
 *
 * @returns the paths at which it will be
 */
export async function expectFinal(folder: string, provisional: Acknowledgement): Promise<string[]> {
  const { authority, sequence, held } = provisional;
  await writePrivate(
    join(waitingFolder(folder), `${authority?.code}-${sequence}-${held?.id}.json`),
    formatAcknowledgement(provisional, 'json'),
  );
  return pathsOf(folder, provisional).map(({ path }) => path);
}

/**
 * Writes the expected final acknowledgements that are now known, in every format that applies. One written
 * before a crash is written again unchanged.
 *
 * @param finalOf `undefined` while the file still waits
 * @param onFault called with the name of each that could not be written, which delays no other
 * @returns those written
 */
export async function writeFinals(
  folder: string,
  finalOf: (provisional: Acknowledgement) => Promise<Acknowledgement | undefined>,
  onFault: (name: string, error: unknown) => void,
): Promise<Acknowledgement[]> {
  const written: Acknowledgement[] = [];
  const names = await readdir(waitingFolder(folder)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  async function writeFinal(name: string): Promise<void> {
    const expected = join(waitingFolder(folder), name);
    const provisional = acknowledgementSchema.parse(JSON.parse(await readFile(expected, 'utf8')));
    const final = await finalOf(provisional);
    if (final === undefined) return;
    for (const { format, path } of pathsOf(folder, final)) {
      await writePrivate(path, formatAcknowledgement(final, format));
    }
    await rm(expected, { force: true });
    written.push(final);
  }
  for (const name of names.filter((each) => each.endsWith('.json'))) {
    await writeFinal(name).catch((error: unknown) => onFault(name, error));
  }
  return written;
}
