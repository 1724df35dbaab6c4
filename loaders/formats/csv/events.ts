import { csvHeader, type FileToRead } from '../common/metadata.ts';
import type { UploadEvent } from '../common/upload.ts';
import { readCsv } from './csv.ts';

/** What a CSV upload holds, under a header that came from outside it. */
export async function* readCsvUpload(
  texts: AsyncIterable<string>,
  { source, metadata, way, authority, names }: FileToRead,
): AsyncGenerator<UploadEvent[]> {
  const { header, problems, warnings } = await csvHeader(source, metadata, authority, way);
  for await (const batch of readCsv(texts, { names, counted: header.recordCount !== undefined })) {
    yield batch.map(
      (event): UploadEvent =>
        event.kind !== 'columns'
          ? event
          : {
              kind: 'header',
              header,
              problems: [...problems, ...event.problems],
              warnings,
              contactProblems: [],
              droppedColumns: event.dropped,
              recordsReadable: event.problems.length === 0,
            },
    );
  }
}
