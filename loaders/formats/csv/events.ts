import { NO_MAPPING } from '#schemas/uploads/columns.ts';
import { csvHeader, type FileToRead } from '../common/metadata.ts';
import type { UploadEvent } from '../common/upload.ts';
import { readCsv } from './csv.ts';

/** What a CSV upload contains, under a header that came from outside it. */
export async function* readCsvUpload(
  texts: AsyncIterable<string>,
  { source, metadata, way, authority, names, mappingOf }: FileToRead,
): AsyncGenerator<UploadEvent[]> {
  const { header, problems, warnings } = await csvHeader(source, metadata, authority, way);
  const options = {
    names,
    counted: header.recordCount !== undefined,
    mapping: (await mappingOf?.(header.authority)) ?? NO_MAPPING,
  };
  for await (const batch of readCsv(texts, options)) {
    yield batch.map(
      (event): UploadEvent =>
        event.kind !== 'columns'
          ? event
          : {
              kind: 'header',
              header,
              // The cause first: the other problems cannot be put right before the columns are known.
              problems: [...event.problems, ...problems],
              warnings,
              contactProblems: [],
              droppedColumns: event.dropped,
              recordsReadable: event.problems.length === 0,
            },
    );
  }
}
