import { PLAN_TYPES, type PlanType, planTypes } from '#schemas/plans/plan.ts';
import { RECORD_HINTS } from '#schemas/wording/records.ts';
import {
  keep,
  type Located,
  type RawPlan,
  type RawRecord,
  type RawSubject,
} from '../common/upload.ts';
import { attribute, elements, type Node } from './node.ts';

const NHS_NUMBER_ROOT = '2.16.840.1.113883.2.1.4.1';
const LOCAL_ID_ROOT = '2.16.840.1.113883.2.1.3.2.4.18.24';

/** Source: CP-IS schemas, templates COCT_TP146100GB01 to COCT_TP146102GB01. */
const PLAN_TEMPLATES: ReadonlyMap<string, { type: PlanType; prefix: string }> = new Map(
  planTypes.map((type) => [
    PLAN_TYPES[type].spine.template,
    { type, prefix: PLAN_TYPES[type].spine.prefix },
  ]),
);
/** A template of the upload in any version. */
const TEMPLATE = /^(COCT_TP14(?:510[01]|610[0-2])GB([0-9]{2}))\./;
const SUPPORTED_VERSION = '01';
const NAME_AT_MOST = 300;
const CHILD = 'COCT_TP145101GB01.Child';
const UNBORN_CHILD = 'COCT_TP145100GB01.UnbornChild';

type RecordOptions = {
  /** Whether the names of people are wanted. */
  names: boolean;
  /** Given the record when it closes. */
  done: (record: RawRecord) => void;
  /** Called with each template in a version other than the one read here. */
  unsupported: (template: string) => void;
};

/** One `record`. */
export function recordNode(number: number, options: RecordOptions): Node {
  const record: RawRecord = { number, place: '', plans: [], subjects: [] };
  let bodies = 0;
  return {
    ...elements({
      'CP-ISRecord': () => {
        bodies += 1;
        return elements({
          pertinentInformation: () => planHolder(record, options),
          subject: () => subjectHolder(record, options),
        });
      },
    }),
    repeats: true,
    open: (_tag, path) => {
      record.place = path();
    },
    close: () => {
      if (bodies > 1) {
        record.unclear = {
          place: record.place,
          field: 'CP-ISRecord',
          hint: RECORD_HINTS.severalBodies,
        };
      }
      options.done(record);
    },
  };
}

/** Reports another version; the element itself is skipped, like any unknown one. */
function noteVersion(local: string, { unsupported }: RecordOptions): undefined {
  const [, template, version] = TEMPLATE.exec(local) ?? [];
  if (template !== undefined && version !== SUPPORTED_VERSION) unsupported(template);
}

function planHolder(record: RawRecord, options: RecordOptions): Node {
  let templates = 0;
  const plan: RawPlan = { type: undefined, place: '', start: [], end: [], deleted: [] };
  return {
    repeats: true,
    child: (local) => {
      const template = PLAN_TEMPLATES.get(local);
      if (template === undefined) return noteVersion(local, options);
      templates += 1;
      // Two in one place make no plan: the dates of one would be taken for the other's.
      plan.type = templates === 1 ? template.type : undefined;
      return planNode(plan, template.prefix);
    },
    open: (_tag, path) => {
      plan.place = path();
    },
    close: () => keep(record.plans, templates === 1 ? plan : { ...plan, isUnread: true }),
  };
}

/** The three dates are in `component`, `component1` and `component2`; their own names distinguish them. */
function planNode(plan: RawPlan, prefix: string): Node {
  const component = (): Node =>
    elements({
      [`${prefix}StartDate`]: () => dateNode(plan.start),
      [`${prefix}EndDate`]: () => dateNode(plan.end),
      [`${prefix}DeleteDate`]: () => dateNode(plan.deleted),
    });
  return elements({ component, component1: component, component2: component });
}

/** A date element that is empty without `xsi:nil` was meant to hold a date. */
function dateNode(list: Located[]): Node {
  let found = false;
  return {
    child: (local) =>
      local !== 'value'
        ? undefined
        : {
            open: (tag, path) => {
              found = true;
              keep(list, { text: attribute(tag, 'value') ?? '', place: `${path()}/@value` });
            },
          },
    open: (tag) => {
      found = Object.values(tag.attributes).some(
        ({ uri, local, value }) =>
          uri === 'http://www.w3.org/2001/XMLSchema-instance' &&
          local === 'nil' &&
          /^(true|1)$/.test(value),
      );
    },
    close: (path) => {
      if (!found) keep(list, { text: '', place: path() });
    },
  };
}

function subjectHolder(record: RawRecord, options: RecordOptions): Node {
  let templates = 0;
  const subject: RawSubject = {
    kind: undefined,
    place: '',
    nhsNumbers: [],
    localIds: [],
    datesOfBirth: [],
  };
  return {
    repeats: true,
    child: (local) => {
      if (local !== CHILD && local !== UNBORN_CHILD) return noteVersion(local, options);
      templates += 1;
      // Two in one place would run two people together.
      if (templates > 1) subject.kind = undefined;
      else subject.kind = local === CHILD ? 'child' : 'mother';
      return local === CHILD
        ? childNode(subject, options)
        : elements({ parentMotherPerson: () => motherNode(subject, options) });
    },
    open: (_tag, path) => {
      subject.place = path();
    },
    close: () => keep(record.subjects, subject),
  };
}

function childNode(subject: RawSubject, options: RecordOptions): Node {
  return elements({
    id: () => idNode(subject),
    childPerson: () =>
      elements({ birthTime: () => birthNode(subject), ...nameOf(subject, options) }),
  });
}

function motherNode(subject: RawSubject, options: RecordOptions): Node {
  return elements({
    birthTime: () => birthNode(subject),
    ...nameOf(subject, options),
    playedMother: () => elements({ id: () => idNode(subject) }),
  });
}

function idNode(subject: RawSubject): Node {
  return {
    repeats: true,
    open: (tag, path) => {
      const id = { text: attribute(tag, 'extension') ?? '', place: `${path()}/@extension` };
      const root = attribute(tag, 'root');
      if (root === NHS_NUMBER_ROOT) keep(subject.nhsNumbers, id);
      else if (root === LOCAL_ID_ROOT) keep(subject.localIds, id);
    },
  };
}

function birthNode(subject: RawSubject): Node {
  return {
    open: (tag, path) =>
      keep(subject.datesOfBirth, {
        text: attribute(tag, 'value') ?? '',
        place: `${path()}/@value`,
      }),
  };
}

/** Nothing if names are not wanted: the element is then skipped like any other. */
function nameOf(subject: RawSubject, { names }: RecordOptions): Record<string, () => Node> {
  if (!names) return {};
  const part = (name: 'given' | 'family'): Node => ({
    text: (text) => {
      const read = (subject.names ??= { given: '', family: '' });
      read[name] = `${read[name]} ${text}`.trim().slice(0, NAME_AT_MOST);
    },
  });
  return {
    name: () => elements({ given: () => part('given'), family: () => part('family') }),
  };
}
