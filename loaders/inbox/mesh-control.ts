import { SaxesParser } from 'saxes';
import { mailboxSchema } from '#schemas/uploads/mesh.ts';
import { CONTROL_FILE } from '#schemas/wording/inbox.ts';

/**
 * What a MESH client's control file (`.ctl`) says about the data file (`.dat`) of the same name, as far as
 * an inbox uses it. Texts are trimmed, at most 255 characters, without control characters.
 *
 * Source: MESH client file interface, `DTSControl` version 1.0.
 */
export type MeshControl = {
  /** `report` says what became of a file sent earlier. */
  messageType: 'data' | 'report' | 'other';
  /** The mailbox it comes from, and the one it was sent to; in capitals, as MESH compares them. */
  from: string;
  to: string;
  workflowId: string;
  subject: string;
  localId: string;
  dtsId: string;
  partnerId: string;
  encrypted: boolean;
  /** Absent from a file that has not passed through MESH. */
  status?: { event: string; status: string; code: string; description: string };
};

/** Whom to answer. */
export type MeshSender = Pick<
  MeshControl,
  'from' | 'to' | 'workflowId' | 'subject' | 'localId' | 'dtsId' | 'partnerId'
>;

type ReadControl =
  | { kind: 'control'; control: MeshControl }
  /** `cut` if the rest may still be arriving. `sender` is set if it gives the sender and the workflow. */
  | { kind: 'unreadable'; cut: boolean; hint: string; sender?: MeshSender };

/** The largest real ones have a few kilobytes. */
export const CONTROL_AT_MOST_BYTES = 65_536;
const VALUE_AT_MOST = 255;

const CONTROL = 'DTSControl';
const STATUS = `${CONTROL}/StatusRecord`;
const FIELDS = new Set([
  ...[
    'Version',
    'MessageType',
    'From_DTS',
    'To_DTS',
    'Subject',
    'LocalId',
    'DTSId',
    'PartnerId',
    'WorkflowId',
    'Encrypted',
  ].map((name) => `${CONTROL}/${name}`),
  ...['Event', 'Status', 'StatusCode', 'Description'].map((name) => `${STATUS}/${name}`),
]);

const CONTROL_CHARACTERS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;
const isClean = (value: string): boolean =>
  value.length <= VALUE_AT_MOST && !CONTROL_CHARACTERS.test(value);

function messageTypeOf(text: string): MeshControl['messageType'] {
  const type = text.toLowerCase();
  return type === 'data' || type === 'report' ? type : 'other';
}

/**
 * Reads a control file. Values are compared by meaning, however they are written: clients and published
 * examples differ in capitals, and in `1` and `1.0`. Elements that an inbox does not use are ignored.
 */
export function readControl(text: string): ReadControl {
  const values = new Map<string, string>();
  const path: string[] = [];
  let wrong: string | undefined;
  let ended = false;
  const parser = new SaxesParser({ xmlns: false });
  const refuse = (hint: string): void => void (wrong ??= hint);
  let malformed = false;
  parser.on('error', () => (malformed = true));
  parser.on('doctype', () => refuse(CONTROL_FILE.doctype));
  parser.on('opentag', ({ name }) => {
    path.push(name);
    const at = path.join('/');
    if (path.length === 1 && name !== CONTROL) refuse(CONTROL_FILE.notControl);
    if (!FIELDS.has(at)) return;
    if (values.has(at)) refuse(CONTROL_FILE.twice(name));
    values.set(at, '');
  });
  const take = (part: string): void => {
    const at = path.join('/');
    const value = values.get(at);
    if (value !== undefined && value.length <= VALUE_AT_MOST) values.set(at, value + part);
  };
  parser.on('text', take);
  parser.on('cdata', take);
  parser.on('closetag', () => {
    path.pop();
    ended ||= path.length === 0;
  });
  parser.write(text.replace(/^\u{feff}/u, '')).close();

  for (const [at, value] of values) {
    const trimmed = value.trim();
    if (trimmed.length > VALUE_AT_MOST) refuse(CONTROL_FILE.tooLong);
    if (CONTROL_CHARACTERS.test(trimmed)) refuse(CONTROL_FILE.controlCharacters);
    values.set(at, trimmed);
  }
  if (wrong === undefined && malformed) {
    return { kind: 'unreadable', cut: !ended, hint: CONTROL_FILE.malformed };
  }
  const value = (name: string): string => values.get(`${CONTROL}/${name}`) ?? '';
  const version = value('Version');
  if (version !== '' && !/^0*1(?:\.0*)?$/.test(version)) refuse(CONTROL_FILE.version);
  const messageType = messageTypeOf(value('MessageType'));
  const missing = ['MessageType', 'From_DTS', 'To_DTS', 'WorkflowId'].filter(
    (name) => value(name) === '' && !(messageType === 'report' && name !== 'MessageType'),
  );
  if (missing.length > 0) refuse(CONTROL_FILE.missing(missing));
  const sender: MeshSender = {
    from: value('From_DTS').toUpperCase(),
    to: value('To_DTS').toUpperCase(),
    workflowId: value('WorkflowId'),
    subject: value('Subject'),
    localId: value('LocalId'),
    dtsId: value('DTSId'),
    partnerId: value('PartnerId'),
  };
  if (wrong !== undefined) {
    const isKnown =
      Object.values(sender).every(isClean) && mailboxSchema.safeParse(sender.from).success;
    return { kind: 'unreadable', cut: false, hint: wrong, ...(isKnown && { sender }) };
  }

  const status = (name: string): string => values.get(`${STATUS}/${name}`) ?? '';
  return {
    kind: 'control',
    control: {
      messageType,
      ...sender,
      encrypted: /^(?:y|yes|true|1)$/i.test(value('Encrypted')),
      ...([...values.keys()].some((at) => at.startsWith(`${STATUS}/`)) && {
        status: {
          event: status('Event'),
          status: status('Status'),
          code: status('StatusCode'),
          description: status('Description'),
        },
      }),
    },
  };
}

/** What a file for a MESH client to send says about itself. */
type SentControl = Pick<
  MeshControl,
  'from' | 'to' | 'workflowId' | 'subject' | 'localId' | 'partnerId'
>;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** The control file with which a MESH client sends a data file. */
export const writeControl = (control: SentControl): string =>
  controlText({ ...control, messageType: 'data', dtsId: '', encrypted: false });

/** What a file received by the API says about itself, as a MESH client would have written it. */
export const writeReceivedControl = (control: Omit<MeshControl, 'status'>): string =>
  controlText(control);

const MESSAGE_TYPES = { data: 'Data', report: 'Report', other: 'Other' } as const;

function controlText(control: Omit<MeshControl, 'status'>): string {
  const lines = Object.entries({
    Version: '1.0',
    AddressType: 'DTS',
    MessageType: MESSAGE_TYPES[control.messageType],
    From_DTS: control.from,
    To_DTS: control.to,
    Subject: control.subject,
    LocalId: control.localId,
    DTSId: control.dtsId,
    PartnerId: control.partnerId,
    Compress: 'Y',
    Encrypted: control.encrypted ? 'Y' : 'N',
    WorkflowId: control.workflowId,
    ProcessId: '',
    DataChecksum: '',
    IsCompressed: 'N',
    AllowChunking: 'Y',
  }).map(([name, value]) => `  <${name}>${escaped(value)}</${name}>\n`);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<DTSControl>\n${lines.join('')}</DTSControl>\n`;
}
