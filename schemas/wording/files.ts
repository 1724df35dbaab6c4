import { COLUMNS } from './council-columns.ts';

/** What a council is told about a file as a whole: why it cannot be used, or what is unusual about it. */

const NAME_OF_CSV = 'ODS-sequence-yyyymmddHHMM-rows.csv (the rows may be left out)';

/** The ways in which a file arrives, which decide what its sender can add. */
export type WayIn = 'command' | 'http' | 'page' | 'inbox' | 'mesh';

const OPTIONS = {
  authority: '--authority',
  sequence: '--sequence',
  createdAt: '--created',
  rowCount: '--rows',
} as const;

/** What the fields of the upload page are called. */
export const UPLOAD_FIELDS = {
  authority: 'File',
  sequence: 'Number of the file',
  createdAt: 'When it was made',
  rowCount: 'Number of rows',
} as const satisfies Record<keyof typeof OPTIONS, string>;

/** How a sender gives it. */
function how(field: keyof typeof OPTIONS, way: WayIn): string {
  switch (way) {
    case 'command':
      return `by ${OPTIONS[field]}, as ${field} in a file NAME.json beside it, or in its name, ${NAME_OF_CSV}`;
    case 'http':
      return `in the address, ?${field}=, or a header (X-Upload-...)`;
    case 'page':
      return `under “${UPLOAD_FIELDS[field]}”, or in the file’s name, ${NAME_OF_CSV}`;
    case 'inbox':
      return `as ${field} in a file NAME.json put there before it, or in its name, ${NAME_OF_CSV}`;
    case 'mesh':
      return `in the Subject of the control file, as the file’s name: ${NAME_OF_CSV}`;
  }
}

/** What a file does not say about itself, by how it arrived. */
export const METADATA_HINTS = {
  sidecar:
    'The file NAME.json beside the CSV is not JSON with authority, sequence, createdAt, rowCount and full, all optional, and nothing else.',
  authority: (way: WayIn) =>
    `The ODS code of the authority must be given: ${how('authority', way)}.`,
  sequence: (way: WayIn) => `The sequence number must be given: ${how('sequence', way)}.`,
  createdAt: (way: WayIn) => `When the file was made must be given: ${how('createdAt', way)}.`,
  rowCountOfFull: (way: WayIn) =>
    `A full refresh must come with its row count, ${how('rowCount', way)}: otherwise rows lost on the way would end their plans.`,
  rowCount: (way: WayIn) =>
    `No row count was given, so a file cut off at the end of a line would look whole. Give it ${how('rowCount', way)}.`,
} as const;

/** A file in any format. */
export const FILE_HINTS = {
  empty: 'The file is empty. Export it again.',
  /** @param named the authority that the file itself names */
  otherAuthority: (named: string, expected: string) =>
    `The file says that it belongs to another authority (${named}) than its sender (${expected}). Send it with that authority’s own access.`,
  madeInFuture:
    'The file says that it was made after it was received. Check the clock of the system that makes it.',
  miscounted: (counted: number, records: number, blankRows: number) =>
    `The file says that it has ${counted} records, and has ${records}. ${blankRows > 0 ? `Its ${blankRows} rows with nothing in their cells are not records: count only the others. Otherwise it` : 'It'} may be cut short, or two files run together. Export it again.`,
  blankRows: (count: number) =>
    count === 1
      ? '1 row with nothing in its cells was ignored, and is counted nowhere.'
      : `${count} rows with nothing in their cells were ignored, and are counted nowhere.`,
  notTraced:
    'The NHS numbers could not be traced just now, so nothing in the file was loaded. Send the same file again later, with the same sequence number.',
  changedWhileRead: (isLoaded: boolean) =>
    `The file was still being written while it was read, so this answers only what was read of it. Send the whole file again, ${isLoaded ? 'under a new number' : 'with the same number'}, and rename it into the folder once it is written.`,
  nulCharacters:
    'The file holds NUL characters, so it is not plain text; it may be UTF-16 ("Unicode text"). Save or export it as UTF-8 and send it again.',
  archive:
    'This is a spreadsheet or zip archive, not a CSV or XML file. In the spreadsheet choose "CSV UTF-8" when saving.',
  picture:
    'This is a PDF or a picture, not a CSV or XML file. Choose the file that your case system wrote.',
  notUtf8: 'The file is not UTF-8 text. Save or export it as UTF-8 and send it again.',
  bytesAfterGzip:
    'The gzip file has extra bytes after its end. Compress the file again and send it.',
  gzipDamaged: 'The gzip file is damaged or cut short. Compress the file again and send it.',
  tooLarge: (maxBytes: number) =>
    `The file is larger than this service takes (${Math.floor(maxBytes / 1_048_576)} MiB, once unpacked). Send changes in parts, each with its own sequence number. Do not split a full refresh: each part would end the plans in the others. Ask the operator of the service.`,
} as const;

const linesThat = (count: number): string => (count === 1 ? '1 line' : `${count} lines`);

/** Where an authority enters how its case system writes a CSV: on a page by itself, or else through the operator. */
const ON_THE_PAGE = `on the page “${COLUMNS.title}”`;
const BY_THE_OPERATOR =
  'or have the operator of the service enter it (page Councils, or cp-flags authority set CODE --columns FILE)';

/** A CSV. */
const OWN_HEADINGS = `If your case system has headings of its own, say which is which ${ON_THE_PAGE}, ${BY_THE_OPERATOR}.`;

export const CSV_HINTS = {
  empty: (columns: readonly string[]) =>
    `The file is empty. Its first line must name the columns: ${columns.join(', ')}.`,
  lastLineNotEnded:
    'The last line has no line break, so the file may be cut short. Export it again; if it is whole, add a line break at its end, or give the row count.',
  headerLower: (firstLine: number, line: number, above: number) =>
    `Line ${firstLine} is not the header: the columns are named on line ${line}. Remove the lines above it. If your case system always writes them, choose the file ${ON_THE_PAGE}, ${BY_THE_OPERATOR}, "linesAbove": ${above}.`,
  headerElsewhere: (line: number, above: number, expected: number) =>
    `The columns are named on line ${line}, with ${linesThat(above)} above it. What was entered for your case system says ${expected} (linesAbove). Check whether rows have got above the columns, and export the file again. If the export has changed, choose the file ${ON_THE_PAGE}, ${BY_THE_OPERATOR}.`,
  noHeader: (line: number, columns: readonly string[], separated: boolean) =>
    `Line ${line} names none of the columns. The first line must name them: ${columns.join(', ')}.${separated ? ' The columns do not seem to be separated by commas: export the file with commas.' : ` ${OWN_HEADINGS}`}`,
  columnTwice: (column: string, times: number) =>
    `The column ${column} is there ${times} times. Keep one.`,
  columnsMissing: (columns: readonly string[]) =>
    `The ${columns.length === 1 ? `column ${columns[0]} is` : `columns ${columns.join(', ')} are`} missing. The first line must name all of them; cells may be empty only where a plan has no such date. ${OWN_HEADINGS}`,
  tooManyColumns: (most: number) => `There are more than ${most} columns.`,
  monthFirst: (column: string) =>
    `The dates in the column ${column} are month first: most of those that can be read only one way are like 12/31/2025. Read day first, the others would be loaded as the wrong days, so nothing in the file was loaded. Export dates as YYYY-MM-DD, and send the file with the same number.`,
  inDoubt: (rows: number) =>
    `The date here can only be month first, which casts doubt on others: ${rows} ${rows === 1 ? 'row has a date' : 'rows have dates'} that can be read two ways, such as 01/02/2026. Each was read day first (1 February). A date of birth among them is not compared with a patient’s until a file gives it as YYYY-MM-DD. Check those rows, and export dates as YYYY-MM-DD.`,
} as const;

/** A CSV that is not well-formed, by what is wrong with a line. Each names the line, since pages show it alone. */
export const CSV_FAULTS = {
  ragged: (line: number) =>
    `Line ${line} has more or fewer fields than the first line names. Put a field that holds a comma in double quotes; or the file was cut short here.`,
  'quote-not-closed': (line: number) =>
    `A double quote that opens before line ${line} is never closed: the file was cut short, or a quote inside a field is not doubled.`,
  'after-closing-quote': (line: number) =>
    `On line ${line}, a field in double quotes continues after its closing quote. Double a quote inside a field.`,
  'quote-inside': (line: number) =>
    `On line ${line}, there is a double quote inside a field that does not begin with one. Put the whole field in double quotes and double the quote inside.`,
  'too-long': (line: number) =>
    `Line ${line} is far longer than any line should be. A double quote before it may not be closed.`,
} as const;

const UPLOAD_NAMESPACE = 'urn:hl7-org:v3';
const ONE_NUMBER =
  'must be one number: 3 to 15 digits, with or without a leading +, no extension and no second number, and the council’s own (999, 112, 111 and 101 are not)';

/** A Spine XML upload. */
export const SPINE_HINTS = {
  doctype: 'A DOCTYPE is not allowed. Remove it and send the file again.',
  unbroken: 'A tag, comment or text of the XML is far longer than this message allows.',
  noRecord: 'The file has no record. A Spine XML upload holds at least one record.',
  declaration: 'The XML must declare version 1.0 and encoding UTF-8, and be in UTF-8.',
  tooDeep: 'The XML is nested far deeper than this message allows.',
  notThisMessage: `The root element must be File in the namespace ${UPLOAD_NAMESPACE}: a CP-IS local authority upload, REPC_MT000002GB01.`,
  otherVersion: (found: string) =>
    `The file uses a version of the upload message that is not supported here (${found.slice(0, 40)}). Ask the supplier of your case system for an export as REPC_MT000002GB01, in the namespace ${UPLOAD_NAMESPACE}.`,
  lateHeader:
    'creationTime, id, transmissionQuantity and communicationFunctionSnd must come before the first record.',
  cutShort: (line: number) =>
    `The XML ends in the middle, at line ${line}: the file was cut short. Send the whole file again.`,
  malformed: (line: number, column: number) =>
    `The XML is not well-formed at line ${line}, column ${column}. Nothing was loaded; export the file again or send this to the system’s supplier.`,
  creationTime:
    'creationTime must be given once, before the records, as YYYYMMDDHHMM with an offset such as +0000.',
  id: 'id must be given once, before the records, with the sequence number of the file as its extension: digits only, one higher for each file.',
  quantity:
    'transmissionQuantity must be given once, before the records, and be the number of records.',
  organisation:
    'The sending organisation must be given once, before the records, with its ODS code as extension and one of the two ODS roots.',
  name: 'The sending organisation must have one name, of at most 120 characters.',
  emergencyDutyTeamPhone: `The emergency duty team’s number (telecom with use="EC"), which a clinician rings at night, must be given once. It ${ONE_NUMBER}.`,
  officeHoursPhone: `The office hours number (telecom with use="WP") was not used, and the one held stays. It ${ONE_NUMBER}. Correct it in the next file.`,
} as const;
