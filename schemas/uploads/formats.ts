/** The formats of answers to an authority, by file extension. All are UTF-8. */
export const ANSWER_FORMATS = ['json', 'csv', 'xml', 'txt'] as const;
export type AnswerFormat = (typeof ANSWER_FORMATS)[number];

type Entry = {
  /** What it is called in a sentence: "a CSV upload". */
  called: string;
  /** Extensions of its files' names, without a dot; a `.gz` may follow. A file without a name gets the first. */
  endings: readonly [string, ...string[]];
  /** The first is the one to send; the others are accepted too. */
  mediaTypes: readonly [string, ...string[]];
  /** How its text begins, after blanks. Absent from the one format that is assumed otherwise. */
  opening?: string;
  /** The formats in which its sender is answered, and the one of them that goes to a MESH mailbox. */
  answers: readonly AnswerFormat[];
  meshAnswer: Exclude<AnswerFormat, 'txt'>;
  /** Whether a file can give everything that is to be held, so that what it leaves out is taken away. */
  canBeFull: boolean;
  /** Whether its number and time come beside it, so that its sender can correct those and send the same bytes. */
  numberedBeside: boolean;
  /** What its sender calls the record count. */
  countField: string;
  /** The forms that its dates may have, for a hint. */
  planDateForms: string;
  birthDateForms: string;
  /** What to do if a plan has no such date. */
  withoutDate: string;
  /** What often spoils an NHS number on its way into such a file, and how to avoid it. */
  numberAdvice?: string;
};

/**
 * What an authority may send, an entry each: everything about a format except how it is read, which is in
 * `READERS` in `loaders/formats/formats.ts`. All other code asks these two.
 */
const ENTRIES = {
  'spine-xml': {
    called: 'Spine XML',
    endings: ['xml'],
    mediaTypes: ['application/xml', 'text/xml'],
    opening: '<',
    answers: ['json', 'csv', 'xml', 'txt'],
    meshAnswer: 'xml',
    canBeFull: false,
    numberedBeside: false,
    countField: 'transmissionQuantity',
    planDateForms: 'YYYYMMDDHHMM',
    birthDateForms: 'YYYYMMDD',
    withoutDate: 'leave the element out',
  },
  csv: {
    called: 'CSV',
    endings: ['csv'],
    mediaTypes: ['text/csv'],
    answers: ['json', 'csv', 'txt'],
    meshAnswer: 'csv',
    canBeFull: true,
    numberedBeside: true,
    countField: 'rowCount',
    planDateForms: 'YYYY-MM-DD, DD/MM/YYYY or YYYYMMDDHHMM',
    birthDateForms: 'YYYY-MM-DD or DD/MM/YYYY',
    withoutDate: 'leave the cell empty',
    numberAdvice: 'If a spreadsheet was used, keep the column as text.',
  },
} satisfies Record<string, Entry>;

export type UploadFormat = keyof typeof ENTRIES;
export const UPLOAD_FORMATS: Record<UploadFormat, Entry> = ENTRIES;
export const uploadFormats = Object.keys(ENTRIES) as [UploadFormat, ...UploadFormat[]];

/** What case systems send, and so the format assumed for a file that cannot be read and has no telling name. */
const USUAL: UploadFormat = 'spine-xml';
/** The format assumed for a text that begins like no other. */
const OTHERWISE: UploadFormat = 'csv';

const endingsOf = (format: UploadFormat): string => UPLOAD_FORMATS[format].endings.join('|');
/** The extensions of all upload files, as part of a pattern. */
export const uploadEndings: string = uploadFormats.map(endingsOf).join('|');

/** By the name of its file, gzipped or not. */
export const formatOfName = (name: string): UploadFormat =>
  uploadFormats.find((format) =>
    new RegExp(`\\.(?:${endingsOf(format)})(?:\\.gz)?$`, 'i').test(name),
  ) ?? USUAL;

/** By a media type without parameters; `undefined` for one that is not accepted. */
export const formatOfMediaType = (type: string): UploadFormat | undefined =>
  uploadFormats.find((format) => UPLOAD_FORMATS[format].mediaTypes.includes(type));

/** By the beginning of its text. */
export function formatOfText(text: string): UploadFormat {
  const start = text.trimStart();
  const opens = (format: UploadFormat): boolean => {
    const { opening } = UPLOAD_FORMATS[format];
    return opening !== undefined && start.startsWith(opening);
  };
  return uploadFormats.find(opens) ?? OTHERWISE;
}
