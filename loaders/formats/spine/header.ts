import { councilPhoneSchema, odsCodeSchema } from '#schemas/authority.ts';
import { shortTextSchema } from '#schemas/text.ts';
import { unspaced } from '#schemas/tidy.ts';
import { SPINE_HINTS } from '#schemas/wording/files.ts';
import { omitUndefined } from '../../../schemas/omit-undefined.ts';
import { readInstant } from '../common/dates.ts';
import {
  type FileProblem,
  keep,
  type Located,
  readCount,
  type UploadEvent,
} from '../common/upload.ts';
import { attribute, elements, type Node } from './node.ts';

/** ODS codes of organisations and of sites. Source: CP-IS schemas, REPC_MT000002GB01.Organisation. */
const ORGANISATION_ROOTS = ['2.16.840.1.113883.2.1.3.2.4.19.1', '2.16.840.1.113883.2.1.3.2.4.19.2'];
const OFFICE_HOURS = 'WP';
const EMERGENCY_DUTY_TEAM = 'EC';

/** What comes before the records, collected before it is checked. */
export class SpineHeader {
  readonly creationTimes: Located[] = [];
  readonly ids: Located[] = [];
  readonly quantities: Located[] = [];
  readonly organisations: (Located & { root: string })[] = [];
  readonly names: Located[] = [];
  readonly telecoms: (Located & { use: string })[] = [];
}

/** The elements of the header, anywhere before the first record. */
export function headerNode(header: SpineHeader): Node {
  const valueInto = (list: Located[], name: string): Node => ({
    open: (tag, path) =>
      keep(list, { text: attribute(tag, name) ?? '', place: `${path()}/@${name}` }),
  });
  return elements({
    creationTime: () => valueInto(header.creationTimes, 'value'),
    id: () => valueInto(header.ids, 'extension'),
    transmissionQuantity: () => valueInto(header.quantities, 'value'),
    communicationFunctionSnd: () => elements({ organisation: () => organisationNode(header) }),
  });
}

function organisationNode(header: SpineHeader): Node {
  return elements({
    id: () => ({
      open: (tag, path) =>
        keep(header.organisations, {
          text: attribute(tag, 'extension') ?? '',
          root: attribute(tag, 'root') ?? '',
          place: `${path()}/@extension`,
        }),
    }),
    name: () => {
      let place = '';
      return {
        open: (_tag, path) => {
          place = path();
        },
        text: (text) => keep(header.names, { text, place }),
      };
    },
    telecom: () => ({
      repeats: true,
      open: (tag, path) =>
        keep(header.telecoms, {
          text: attribute(tag, 'value') ?? '',
          use: attribute(tag, 'use') ?? '',
          place: path(),
        }),
    }),
  });
}

/** Checks the header; every problem is named, not just the first. */
export function readHeader(found: SpineHeader): Extract<UploadEvent, { kind: 'header' }> {
  const problems: FileProblem[] = [];
  const warnings: FileProblem[] = [];
  const contactProblems: FileProblem[] = [];
  const read = <T>(
    list: readonly Located[],
    element: FileProblem,
    parse: (located: Located) => T | undefined,
    into = problems,
  ): T | undefined => {
    const [only, second] = list;
    const value = only !== undefined && second === undefined ? parse(only) : undefined;
    if (value === undefined) {
      into.push({ ...element, place: (second ?? only)?.place ?? element.place });
    }
    return value;
  };

  const header = {
    createdAt: read(
      found.creationTimes,
      {
        place: '/File/creationTime',
        hint: SPINE_HINTS.creationTime,
      },
      ({ text }) => readInstant(text),
    ),
    sequence: read(
      found.ids,
      {
        place: '/File/id',
        hint: SPINE_HINTS.id,
      },
      ({ text }) => readCount(text),
    ),
    recordCount: read(
      found.quantities,
      {
        place: '/File/transmissionQuantity',
        hint: SPINE_HINTS.quantity,
      },
      ({ text }) => readCount(text),
    ),
    authority: read(
      found.organisations,
      {
        place: '/File/communicationFunctionSnd/organisation/id',
        hint: SPINE_HINTS.organisation,
      },
      (located) => {
        const root = found.organisations[0]?.root ?? '';
        return ORGANISATION_ROOTS.includes(root)
          ? odsCodeSchema.safeParse(unspaced(located.text)).data
          : undefined;
      },
    ),
    authorityName: read(
      found.names,
      {
        place: '/File/communicationFunctionSnd/organisation/name',
        field: 'name',
        hint: SPINE_HINTS.name,
      },
      ({ text }) => shortTextSchema.safeParse(text.replace(/\s+/g, ' ')).data,
      contactProblems,
    ),
    emergencyDutyTeamPhone: read(
      found.telecoms.filter(({ use }) => use === EMERGENCY_DUTY_TEAM),
      {
        place: '/File/communicationFunctionSnd/organisation/telecom',
        field: 'telecom',
        hint: SPINE_HINTS.emergencyDutyTeamPhone,
      },
      ({ text }) => readPhone(text),
      contactProblems,
    ),
  };
  const officeHoursPhone = readOfficeHours(found, warnings);
  return {
    kind: 'header',
    header: omitUndefined({ ...header, officeHoursPhone }),
    problems,
    warnings,
    contactProblems,
    droppedColumns: [],
    recordsReadable: true,
  };
}

/** Optional: a bad one is left out, and the number already held stays. */
function readOfficeHours(found: SpineHeader, warnings: FileProblem[]): string | undefined {
  const numbers = found.telecoms.filter(({ use }) => use === OFFICE_HOURS);
  const [only, second] = numbers;
  if (only === undefined) return undefined;
  const phone = second === undefined ? readPhone(only.text) : undefined;
  if (phone === undefined) {
    warnings.push({
      place: only.place,
      field: 'telecom',
      hint: SPINE_HINTS.officeHoursPhone,
    });
  }
  return phone;
}

function readPhone(text: string): string | undefined {
  return councilPhoneSchema.safeParse(text.replace(/^tel:/i, '')).data;
}
