import type { CsvMetadata } from '#loaders/load/load.ts';
import type { RequestHead } from '../http/request-head.ts';

type UploadDescription = { kind: 'described'; metadata: CsvMetadata } | { kind: 'refused' };

export const CREATED_AT = /^[0-9T:.Z+-]{8,35}$/;
const FIELDS = {
  sequence: { header: 'x-upload-sequence', form: /^[0-9]{1,15}$/ },
  createdAt: { header: 'x-upload-created-at', form: CREATED_AT },
  rowCount: { header: 'x-upload-row-count', form: /^[0-9]{1,9}$/ },
  full: { header: 'x-upload-full', form: /^(?:true|false)$/ },
} as const;
type Field = keyof typeof FIELDS;

const isField = (name: string): name is Field => Object.hasOwn(FIELDS, name);

/**
 * What a CSV does not say about itself, from the query or from headers. Names are a closed list, so that
 * nothing about a child can get into an address unnoticed.
 */
export function readDescription(
  query: URLSearchParams,
  headers: RequestHead['headers'],
): UploadDescription {
  const given = new Map<Field, string>();
  for (const [name, value] of query) {
    if (!isField(name) || given.has(name)) return { kind: 'refused' };
    given.set(name, value);
  }
  for (const name of Object.keys(FIELDS).filter(isField)) {
    const value = headers[FIELDS[name].header];
    if (value === undefined) continue;
    if (typeof value !== 'string' || given.has(name)) return { kind: 'refused' };
    given.set(name, value);
  }
  for (const [name, value] of given) {
    if (!FIELDS[name].form.test(value)) return { kind: 'refused' };
  }
  const sequence = given.get('sequence');
  const createdAt = given.get('createdAt');
  const rowCount = given.get('rowCount');
  return {
    kind: 'described',
    metadata: {
      ...(sequence !== undefined && { sequence: Number(sequence) }),
      ...(createdAt !== undefined && { createdAt }),
      ...(rowCount !== undefined && { rowCount: Number(rowCount) }),
      ...(given.get('full') === 'true' && { full: true }),
    },
  };
}
