import type { PlanType } from '#schemas/plan.ts';
import { attribute, elements, type Node } from './spine-node.ts';
import { keep, type Located, type RawPlan, type RawRecord, type RawSubject } from './upload.ts';

const NHS_NUMBER_ROOT = '2.16.840.1.113883.2.1.4.1';
const LOCAL_ID_ROOT = '2.16.840.1.113883.2.1.3.2.4.18.24';

/** Source: CP-IS schemas, templates COCT_TP146100GB01 to COCT_TP146102GB01. */
const PLAN_TEMPLATES: ReadonlyMap<string, { type: PlanType; prefix: string }> = new Map([
  ['COCT_TP146100GB01.LACInformation', { type: 'looked-after-child', prefix: 'lAC' }],
  ['COCT_TP146101GB01.CPPInformation', { type: 'child-protection-plan', prefix: 'cPP' }],
  ['COCT_TP146102GB01.UCPInformation', { type: 'unborn-child-protection-plan', prefix: 'uCP' }],
]);
const CHILD = 'COCT_TP145101GB01.Child';
const UNBORN_CHILD = 'COCT_TP145100GB01.UnbornChild';

/** One `record`; `done` is given it when it closes. */
export function recordNode(number: number, done: (record: RawRecord) => void): Node {
  const record: RawRecord = { number, place: '', plans: [], subjects: [] };
  return {
    ...elements({
      'CP-ISRecord': () =>
        elements({
          pertinentInformation: () => planHolder(record),
          subject: () => subjectHolder(record),
        }),
    }),
    repeats: true,
    open: (_tag, path) => {
      record.place = path();
    },
    close: () => done(record),
  };
}

function planHolder(record: RawRecord): Node {
  const plan: RawPlan = { type: undefined, place: '', start: [], end: [], deleted: [] };
  return {
    repeats: true,
    child: (local) => {
      const template = PLAN_TEMPLATES.get(local);
      if (template === undefined) return undefined;
      plan.type = template.type;
      return planNode(plan, template.prefix);
    },
    open: (_tag, path) => {
      plan.place = path();
    },
    close: () => keep(record.plans, plan),
  };
}

/** The three dates stand in `component`, `component1` and `component2`; their own names tell which is which. */
function planNode(plan: RawPlan, prefix: string): Node {
  const component = (): Node =>
    elements({
      [`${prefix}StartDate`]: () => dateNode(plan.start),
      [`${prefix}EndDate`]: () => dateNode(plan.end),
      [`${prefix}DeleteDate`]: () => dateNode(plan.deleted),
    });
  return elements({ component, component1: component, component2: component });
}

/** A date element that is empty, and does not say that it is by `xsi:nil`, was meant to hold a date. */
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

function subjectHolder(record: RawRecord): Node {
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
      if (local === CHILD) {
        subject.kind = 'child';
        return childNode(subject);
      }
      if (local === UNBORN_CHILD) {
        subject.kind = 'mother';
        return elements({ parentMotherPerson: () => motherNode(subject) });
      }
      return undefined;
    },
    open: (_tag, path) => {
      subject.place = path();
    },
    close: () => keep(record.subjects, subject),
  };
}

function childNode(subject: RawSubject): Node {
  return elements({
    id: () => idNode(subject),
    childPerson: () => elements({ birthTime: () => birthNode(subject) }),
  });
}

function motherNode(subject: RawSubject): Node {
  return elements({
    birthTime: () => birthNode(subject),
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
