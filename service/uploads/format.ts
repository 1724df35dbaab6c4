import type { AnswerFormat } from '#schemas/uploads/formats.ts';
import { preferredType } from '../http/accept.ts';
import type { RouteContext } from '../http/route.ts';

const MEDIA_TYPES: Record<AnswerFormat, string> = {
  json: 'application/json',
  csv: 'text/csv; charset=utf-8',
  xml: 'application/xml; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
};
const ACCEPTED = {
  'application/json': 'json',
  'text/csv': 'csv',
  'application/xml': 'xml',
  'text/xml': 'xml',
  'text/plain': 'txt',
} as const satisfies Record<string, AnswerFormat>;
type Accepted = keyof typeof ACCEPTED;
const OTHER_THAN_JSON = ['text/csv', 'application/xml', 'text/xml', 'text/plain'] as const;

export const mediaType = (format: AnswerFormat): string => MEDIA_TYPES[format];

/** The available format that a client prefers; JSON if it states none, or wants another. */
export function preferredFormat(c: RouteContext, formats: readonly AnswerFormat[]): AnswerFormat {
  const others = OTHER_THAN_JSON.filter((type) => formats.includes(ACCEPTED[type]));
  return ACCEPTED[preferredType<Accepted>(c, ['application/json', ...others])];
}
