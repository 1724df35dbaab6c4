import type { AnswerFormat } from '#schemas/uploads/formats.ts';

const MEDIA_TYPES: Record<AnswerFormat, string> = {
  json: 'application/json',
  csv: 'text/csv; charset=utf-8',
  xml: 'application/xml; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
};
const ACCEPTED = new Map<string, AnswerFormat>([
  ['application/json', 'json'],
  ['text/csv', 'csv'],
  ['application/xml', 'xml'],
  ['text/xml', 'xml'],
  ['text/plain', 'txt'],
]);

export const mediaType = (format: AnswerFormat): string => MEDIA_TYPES[format];

/** The format that a client likes best of those there are; JSON where it does not say, or wants another. */
export function preferredFormat(
  accept: string | undefined,
  formats: readonly AnswerFormat[],
): AnswerFormat {
  let best: { format: AnswerFormat; quality: number } | undefined;
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const format = ACCEPTED.get(type);
    if (format === undefined || !formats.includes(format)) continue;
    const quality = Number(/^q=([0-9.]+)$/.exec(parameters.at(-1) ?? '')?.[1] ?? 1);
    if (quality > (best?.quality ?? 0)) best = { format, quality };
  }
  return best?.format ?? 'json';
}
