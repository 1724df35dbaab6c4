import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  watch as watchFolder,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { NumberTracer } from '#loaders/check/tracing/tracer.ts';
import { InboxFiles } from '#loaders/inbox/files.ts';
import { finalAnswer } from '#loaders/inbox/held.ts';
import {
  type Inbox,
  InboxInUse,
  type InboxOptions,
  type InboxReport,
  watchInbox,
} from '#loaders/inbox/inbox.ts';
import { readControl } from '#loaders/inbox/mesh-control.ts';
import { type LoadOptions, loadFile } from '#loaders/load/load.ts';
import { LoadFailed } from '#loaders/load-failed.ts';
import { discardHeldFile, listHeldFiles, releaseHeldFile } from '#loaders/upkeep/held-files.ts';
import { acknowledgementSchema } from '#schemas/uploads/acknowledgement.ts';
import { FILE_HINTS } from '#schemas/wording/files.ts';
import { controlXml } from '../../support/mesh.ts';
import { day } from '../../support/rows.ts';
import { startTestStore, type TestStore, until } from '../../support/test-store.ts';
import { ods, temporaryFolder } from '../../support/upload-loading.ts';
import { fileCsv, fileXml, planOf, upload } from '../../support/upload-model.ts';

const A = ods('ZZ101');
const B = ods('ZZ102');
const C = ods('ZZ103');
const H = ods('ZZ104');

let t: TestStore;
let dir: string;
let outbox: string;
let reports: InboxReport[];
let inboxes: Inbox[];
/** Every test uses its own sequence numbers, so that none depends on another. */
let sequence = 0;

beforeAll(async () => {
  t = await startTestStore({ kind: 'demo' });
  for (const code of [A, B, H]) {
    await t.store.setAuthority(code, { name: code, emergencyDutyTeamPhone: '02079460199' }, 'test');
  }
});
afterAll(() => t?.stop());
beforeEach(() => {
  dir = temporaryFolder();
  outbox = join(dir, 'outbox');
  mkdirSync(outbox);
  reports = [];
  inboxes = [];
  sequence += 10;
});
afterEach(async () => {
  await Promise.all(inboxes.map((inbox) => inbox.stop()));
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

const loadWith =
  (differing: Partial<LoadOptions>): InboxOptions['load'] =>
  (source, given) =>
    loadFile(t.store, t.anchor, source, {
      ...given,
      spoolDir: join(t.dataDir, 'spool'),
      addAuthority: false,
      lockWaitMs: 500,
      ...differing,
    });
const load = loadWith({});

async function watch(differing: Partial<InboxOptions> = {}): Promise<Inbox> {
  const inbox = await watchInbox({
    dir,
    outbox,
    mesh: {
      workflowId: 'TEST_WORKFLOW',
      acknowledgementWorkflowId: 'TEST_WORKFLOW_ACK',
      mailbox: 'X26CPF1',
      mailboxes: new Map([
        ['X26ABC1', { authority: A }],
        ['X26ABC2', { authority: B }],
        ['X26ABC3', { authority: H }],
      ]),
    },
    settleMs: 20,
    pollMs: 20,
    pairWaitMs: 60,
    keepMs: 0,
    parallel: 4,
    retryMs: 10,
    heldPollMs: 20,
    load,
    finalAnswer: (provisional) => finalAnswer(t.store, t.anchor, provisional),
    report: (report) => reports.push(report),
    ...differing,
  });
  inboxes.push(inbox);
  return inbox;
}

const put = (name: string, content: string | Buffer): void =>
  writeFileSync(join(dir, name), content);
const xml = (authority: string = A, number = sequence, differing = {}): string =>
  fileXml(upload({ authority, sequence: number, records: [planOf(number)], ...differing }));

function pair(base: string, data: string, control: Record<string, string> = {}): void {
  put(`${base}.dat`, data);
  put(`${base}.ctl`, controlXml(control));
}

/** A clock that a test moves on, and a wait until the watcher has looked at the inbox twice. */
function movedClock(): { moveOn: (ms: number) => void; looked: () => Promise<void> } {
  const clock = performance.now.bind(performance);
  let later = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => clock() + later);
  const looks = vi.spyOn(InboxFiles.prototype, 'list');
  return {
    moveOn: (ms) => void (later += ms),
    looked: async () => {
      const before = looks.mock.calls.length;
      await until(() => looks.mock.calls.length >= before + 2);
    },
  };
}

const of = (kind: InboxReport['kind']): InboxReport[] =>
  reports.filter((report) => report.kind === kind);
const codes = (): string[] =>
  reports.flatMap((report) =>
    report.kind === 'acknowledged' ? [`${report.name} ${report.acknowledgement.code}`] : [],
  );
const hints = (): string =>
  reports
    .flatMap((report) => {
      if (report.kind === 'acknowledged' || report.kind === 'held') return [];
      return report.kind === 'unwell' ? report.hint : `${report.name}: ${report.hint}`;
    })
    .join('\n');
const folder = (name: string): string[] =>
  readdirSync(join(dir, name)).filter((file) => !file.startsWith('inbox.lock'));
/** The files in the inbox itself, without its folders. */
const lying = (): string[] =>
  readdirSync(dir, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();

describe('a plain file', () => {
  test('is loaded, acknowledged in every format and removed', async () => {
    put('V1.xml', xml());
    await watch();
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['V1.xml CPF02']);
    expect(lying()).toEqual([]);
    expect([folder('processing'), folder('done'), folder('failed')]).toEqual([[], [], []]);
    expect(folder('outbox')).toEqual(
      ['csv', 'json', 'txt', 'xml'].map((ending) => `V1.xml.ack.${ending}`),
    );
    const json: unknown = JSON.parse(readFileSync(join(outbox, 'V1.xml.ack.json'), 'utf8'));
    expect(acknowledgementSchema.parse(json)).toMatchObject({ code: 'CPF02', sequence });
    expect((await t.store.fileOf(A, sequence))?.code).toBe('CPF02');
  });

  test('of any kind that an authority sends is accepted: CSV with its description, or gzip', async () => {
    const csv = (number: number): string => fileCsv({ records: [planOf(number)] });
    put('a.csv', csv(sequence));
    const describes = { authority: A, sequence, createdAt: '2026-11-23T21:30:00Z', rowCount: 1 };
    put('a.json', JSON.stringify(describes));
    put(`${B}-${sequence + 1}-202611232130.csv.gz`, gzipSync(csv(sequence + 1)));
    put('c.xml.gz', gzipSync(xml(B, sequence + 2)));
    await watch();
    await until(() => codes().length === 3);
    expect(codes().toSorted()).toEqual([
      `${B}-${sequence + 1}-202611232130.csv.gz CPF02`,
      'a.csv CPF02',
      'c.xml.gz CPF02',
    ]);
    expect(lying()).toEqual([]);
  });

  test('is not read until it has stopped changing', async () => {
    put('slow.xml', xml());
    const inbox = await watch({ settleMs: 3_600_000 });
    // A pair need not stop changing first, so it shows that the inbox has been checked.
    pair('0001', xml(A, sequence + 1));
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['0001.dat CPF02']);
    expect(lying()).toEqual(['slow.xml']);
    await inbox.stop();
    await watch();
    await until(() => codes().length === 2);
    expect(codes()).toContain('slow.xml CPF02');
  });

  test('that arrives again is answered from the ledger, and nothing changes', async () => {
    await watch();
    const text = xml();
    put('first.xml', text);
    await until(() => codes().length === 1);
    const held = await t.store.tally();
    put('again.xml', text);
    await until(() => codes().length === 2);
    expect(codes()).toEqual(['first.xml CPF02', 'again.xml CPF02']);
    expect((await t.store.tally()).get(A)?.digest).toBe(held.get(A)?.digest);
  });

  test('that cannot be loaded is answered with the reason, and also removed', async () => {
    put('cut.xml', xml().slice(0, 500));
    await watch();
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['cut.xml CPF01']);
    expect(lying()).toEqual([]);
  });

  test('from an unknown authority is refused, and no authority is added', async () => {
    put('new.xml', xml(C));
    await watch();
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['new.xml CPF04']);
    expect(await t.store.authority(C)).toBeUndefined();
  });

  test('is kept for as long as configured, and no longer', async () => {
    put('kept.xml', xml());
    const inbox = await watch({ keepMs: 86_400_000 });
    await until(() => codes().length === 1);
    const [id = ''] = folder('done');
    expect(folder(join('done', id))).toEqual(['kept.xml']);
    await inbox.stop();
    mkdirSync(join(dir, 'done', '2026-01-01T00-00-00-abcdefgh'));
    await watch({ keepMs: 86_400_000 });
    await until(() => folder('done').length === 1);
    expect(folder('done')).toEqual([id]);
    await inboxes[1]?.stop();
    await watch({ keepMs: 0 });
    await until(() => folder('done').length === 0);
  });

  test('named after an NHS number puts that number nowhere else', async () => {
    put('child 999 000 0018.xml', xml());
    await watch();
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['child ##########.xml CPF02']);
    expect(folder('outbox').join()).not.toContain('0018');
  });
});

describe('a pair from a MESH client', () => {
  test('is answered with a pair to the mailbox it came from, data before control file', async () => {
    const named: string[] = [];
    const observer = watchFolder(outbox, (_, name) => void named.push(name ?? ''));
    pair('X26CPF1_0001', xml(), { PartnerId: 'V1', Subject: 'V1-1.xml' });
    await watch();
    await until(() => of('acknowledged').length === 1);
    await until(() => named.some((name) => name.endsWith('.ctl')));
    observer.close();
    const [control = '', data = ''] = folder('outbox').toSorted();
    expect([control.endsWith('.ctl'), data.endsWith('.dat')]).toEqual([true, true]);
    const appeared = [...new Set(named)].filter((name) => !name.endsWith('.tmp'));
    expect(appeared).toEqual([data, control]);
    expect(control.slice(0, -4)).toBe(data.slice(0, -4));
    expect(readControl(readFileSync(join(outbox, control), 'utf8'))).toMatchObject({
      control: {
        from: 'X26CPF1',
        to: 'X26ABC1',
        workflowId: 'TEST_WORKFLOW_ACK',
        localId: 'local-1',
        partnerId: 'V1',
        subject: `Acknowledgement of file ${sequence}: CPF02`,
      },
    });
    expect(readFileSync(join(outbox, data), 'utf8')).toContain('<FileResponse');
    expect(lying()).toEqual([]);
  });

  test('is recognised by the name that its sender gave it', async () => {
    const name = `${A}-${sequence}-202611232130.csv`;
    pair('0001', fileCsv({ records: [planOf(sequence)] }), { Subject: name });
    await watch();
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['0001.dat CPF02']);
    const [data = ''] = folder('outbox').filter((file) => file.endsWith('.dat'));
    expect(readFileSync(join(outbox, data), 'utf8')).toContain('file_code');
  });

  test('from a mailbox that sends for another authority changes nothing', async () => {
    const before = (await t.store.tally()).get(B)?.digest;
    pair('0001', xml(B), { From_DTS: 'X26ABC1' });
    await watch();
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['0001.dat CPF01']);
    expect((await t.store.tally()).get(B)?.digest).toBe(before);
    expect(await t.store.fileOf(B, sequence)).toBeUndefined();
    const events = await t.adminStore.readEvents('system');
    expect(events.at(-1)).toMatchObject({
      type: 'load',
      code: 'CPF01',
      by: 'inbox, from mailbox X26ABC1',
    });
  });

  test.for<[string, Record<string, string>, string]>([
    ['from a mailbox that sends for nobody', { From_DTS: 'X26XYZ9' }, 'MESH_MAILBOXES_FILE'],
    ['that MESH did not fully deliver', { Status: 'ERROR', StatusCode: '14' }, 'ERROR'],
    ['that is encrypted', { Encrypted: 'Y' }, 'encrypted'],
    ['of another message type', { MessageType: 'Other' }, 'MessageType'],
    ['of another version', { Version: '2.0' }, 'Version'],
    ['that does not say where it comes from', { From_DTS: '' }, 'From_DTS'],
    ['that is a report', { MessageType: 'Report', Description: 'Not collected' }, 'Not collected'],
  ])('%s is put aside, with what to do', async ([, control, hint]) => {
    pair('bad', xml(), control);
    await watch();
    await until(() => of('failed').length === 1);
    expect(hints()).toContain(hint);
    expect(lying()).toEqual([]);
    const [id = ''] = folder('failed');
    expect(folder(join('failed', id))).toEqual(['bad.ctl', 'bad.dat', 'why.txt']);
    expect(readFileSync(join(dir, 'failed', id, 'why.txt'), 'utf8')).toContain(hint);
    expect(await t.store.fileOf(A, sequence)).toBeUndefined();
    // The sender is also told, if the control file says who that is.
    const { From_DTS: from = 'X26ABC1', MessageType: type = 'Data' } = control;
    const [answer, sent] = folder('outbox');
    if (from === '' || type === 'Report') return expect(answer).toBeUndefined();
    expect(readControl(readFileSync(join(outbox, answer ?? ''), 'utf8'))).toMatchObject({
      control: { from: 'X26CPF1', to: from, workflowId: 'TEST_WORKFLOW_ACK' },
    });
    expect(readFileSync(join(outbox, sent ?? ''), 'utf8')).toContain('CPF01');
  });

  test('is accepted with every spelling of its control file', async () => {
    const control = {
      MessageType: 'DATA',
      Version: '1',
      WorkflowId: 'test_workflow',
      Status: 'Success',
    };
    pair('0001', xml(), { ...control, From_DTS: 'x26abc1', Encrypted: 'n' });
    await watch();
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['0001.dat CPF02']);
  });

  test('with a CSV is described by its Subject, and a sender who gives no Subject is asked for one', async () => {
    const csv = fileCsv({ records: [planOf(sequence)] });
    pair('0001', csv, { Subject: 'Nightly extract' });
    pair('0002', csv, { Subject: `ZZ101-${sequence}-202611232130-1.csv` });
    await watch();
    await until(() => codes().length === 2);
    expect(codes().toSorted()).toEqual(['0001.dat CPF01', '0002.dat CPF02']);
    const refused = of('acknowledged').flatMap((report) =>
      report.kind === 'acknowledged' ? report.acknowledgement.failures : [],
    );
    expect(refused[0]?.hint).toMatch(/Subject of the control file/);
    expect(refused[0]?.hint).not.toMatch(/option|--|NAME/);
  });

  test.for<[string, Record<string, string>]>([
    ['of another workflow', { WorkflowId: 'ANOTHER' }],
    ['to another mailbox', { To_DTS: 'X26CPF2' }],
  ])('%s is left where it is and reported once', async ([, control]) => {
    pair('theirs', xml(), control);
    await watch();
    await until(() => of('left').length > 0);
    put('ours.xml', xml());
    await until(() => codes().length === 1);
    expect(of('left')).toHaveLength(1);
    expect(lying()).toEqual(['theirs.ctl', 'theirs.dat']);
  });

  test('is reported while half of it is missing, and loaded once complete', async () => {
    put('late.dat', xml());
    put('orphan.ctl', controlXml());
    await watch();
    await until(() => of('left').length === 2);
    expect(hints()).toContain('late.dat: Its control file (.ctl) has not arrived');
    expect(hints()).toContain('orphan.ctl: It has no data file (.dat)');
    expect(lying()).toEqual(['late.dat', 'orphan.ctl']);
    put('late.ctl', controlXml());
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['late.dat CPF02']);
  });

  test('with an unfinished control file waits until it is complete', async () => {
    const control = controlXml();
    put('0001.dat', xml());
    put('0001.ctl', control.slice(0, 100));
    await watch({ settleMs: 3_600_000 });
    await until(() => existsSync(join(dir, 'processing', 'inbox.lock')));
    put('0001.ctl', control);
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['0001.dat CPF02']);
    expect(of('failed')).toEqual([]);
  });

  /** A pair with a CSV of one row. @returns a description that says it has two */
  const describedWrongly = (): string => {
    const name = `${A}-${sequence}-202611232130.csv`;
    pair('0001', fileCsv({ records: [planOf(sequence)] }), { Subject: name });
    return JSON.stringify({ rowCount: 2 });
  };

  test.each([
    ['when the pair is seen first', () => true],
    ['after the pair has waited for it', () => of('left').length === 2],
  ])(
    'is never taken without a description that is renamed during a listing, %s',
    async (_, isDue) => {
      const description = describedWrongly();
      const coming = join(dir, '0001.dat.json.part');
      writeFileSync(coming, description);
      const { list } = InboxFiles.prototype;
      vi.spyOn(InboxFiles.prototype, 'list').mockImplementation(async function (this: InboxFiles) {
        if (!existsSync(coming) || !isDue()) return list.call(this);
        // This listing has neither of the names.
        rmSync(coming);
        const listing = await list.call(this);
        put('0001.dat.json', description);
        return listing;
      });
      await watch();
      await until(() => codes().length === 1);
      expect(codes()).toEqual(['0001.dat CPF01']);
      expect([lying(), folder('processing')]).toEqual([[], []]);
    },
  );

  test('is not taken while its description is still being written', async () => {
    const description = describedWrongly();
    const { moveOn, looked } = movedClock();
    const settleMs = 3_600_000;
    put('0001.json', description.slice(0, 5));
    await watch({ settleMs });
    await looked();
    expect(lying()).toEqual(['0001.ctl', '0001.dat', '0001.json']);
    put('0001.json', description);
    await looked();
    moveOn(settleMs);
    await until(() => codes().length === 1);
    expect(JSON.stringify(of('acknowledged'))).toContain(FILE_HINTS.miscounted(2, 1, 0));
  });

  test('that is only partly there when it is taken is put back whole, and loaded once it is', async () => {
    put('0001.json', describedWrongly());
    const data = readFileSync(join(dir, '0001.dat'));
    const { take } = InboxFiles.prototype;
    vi.spyOn(InboxFiles.prototype, 'take').mockImplementationOnce(function (
      this: InboxFiles,
      found,
    ) {
      rmSync(join(dir, '0001.dat'));
      return take.call(this, found);
    });
    await watch();
    await until(() => hints().includes('0001.dat'));
    expect([lying(), folder('processing')]).toEqual([['0001.ctl', '0001.json'], []]);
    put('0001.dat', data);
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['0001.dat CPF01']);
    expect([lying(), folder('processing')]).toEqual([[], []]);
  });

  test('is not touched if no workflow is configured', async () => {
    pair('0001', xml());
    await watch({ mesh: undefined });
    await until(() => of('left').length === 1);
    expect(hints()).toContain('MESH_WORKFLOW_ID');
    expect(lying()).toEqual(['0001.ctl', '0001.dat']);
  });

  test('that reports an uncollected acknowledgement is put aside and reported', async () => {
    const report = {
      MessageType: 'Report',
      Status: 'ERROR',
      StatusCode: '14',
      Description: 'Message not collected',
      WorkflowId: 'TEST_WORKFLOW_ACK',
    };
    put('report.ctl', controlXml(report));
    await watch();
    await until(() => of('failed').length === 1);
    expect(hints()).toContain('ERROR 14 Message not collected');
  });
});

describe('a partly held file', () => {
  const PLANS = Array.from({ length: 8 }, (_, i) => i);
  const everyone = (number: number, differing = {}) =>
    fileXml(
      upload({
        authority: H,
        sequence: number,
        records: PLANS.map((n) => planOf(700_000 + sequence * 10 + n, differing)),
      }),
    );
  const decision = () => ({ by: 'Olive', reason: 'they are', spoolDir: join(t.dataDir, 'spool') });

  async function hold(): Promise<string> {
    await watch();
    put('before.xml', everyone(sequence));
    await until(() => codes().length === 1);
    pair('0001', everyone(sequence + 1, { endDate: day('2026-11-20') }), { From_DTS: 'X26ABC3' });
    await until(() => of('held').length === 1);
    const [held] = listHeldFiles(t.anchor);
    return held?.id ?? '';
  }
  const answers = () => folder('outbox').filter((name) => name.startsWith('acknowledgement-'));

  test('gets its final answer only once the operator has released it', async () => {
    const id = await hold();
    // Meanwhile every later file is processed, and the source of the held file is not kept.
    put('after.xml', xml(A));
    await until(() => codes().length === 2);
    expect(answers()).toEqual([]);
    const [unit = ''] = folder('held');
    expect(folder(join('held', unit)).toSorted()).toEqual(['0001.ctl', 'held.json']);
    await releaseHeldFile(t.store, t.anchor, id, decision());
    await until(() => codes().length === 3);
    expect(codes().at(-1)).toBe('0001.dat CPF02');
    expect(answers()).toHaveLength(2);
    expect([folder('held'), folder('processing'), lying()]).toEqual([[], [], []]);
  });

  test('is answered as not loaded once the operator has discarded it, even by the next watcher', async () => {
    const id = await hold();
    await inboxes[0]?.stop();
    await discardHeldFile(t.store, t.anchor, id, decision());
    await watch();
    await until(() => codes().length === 2);
    expect(codes().at(-1)).toBe('0001.dat CPF04');
    const data = answers().find((name) => name.endsWith('.dat')) ?? '';
    expect(readFileSync(join(outbox, data), 'utf8')).toContain('CPF04');
  });
});

describe('many files', () => {
  test('from one authority are loaded in the order of their numbers, and those of several authorities at the same time', async () => {
    const order: string[] = [];
    let together = 0;
    let most = 0;
    for (const n of [3, 1, 2]) {
      put(`a${9 - n}.xml`, xml(A, sequence + n));
      pair(`b${9 - n}`, xml(B, sequence + n), { From_DTS: 'X26ABC2' });
    }
    await watch({
      load: async (source, given) => {
        together += 1;
        most = Math.max(most, together);
        // This waits until both have begun, so loading one after another would never end.
        await until(() => most >= 2);
        const acknowledgement = await load(source, given);
        together -= 1;
        order.push(`${acknowledgement.authority?.code} ${acknowledgement.sequence - sequence}`);
        return acknowledgement;
      },
    });
    await until(() => codes().length === 6);
    expect(order.filter((file) => file.startsWith(A))).toEqual([`${A} 1`, `${A} 2`, `${A} 3`]);
    expect(order.filter((file) => file.startsWith(B))).toEqual([`${B} 1`, `${B} 2`, `${B} 3`]);
    expect(most).toBe(2);
    expect(codes().every((code) => code.endsWith('CPF02'))).toBe(true);
  });

  test('of other kinds, links, pipes and folders are left alone, and each is reported once', async () => {
    put('notes.docx', 'x');
    put('.hidden.xml', xml());
    put('coming.xml.part', xml());
    symlinkSync('/etc/hostname', join(dir, 'link.xml'));
    mkdirSync(join(dir, 'folder.xml'));
    execFileSync('mkfifo', [join(dir, 'pipe.csv')]);
    const lies = lying();
    await watch();
    await until(() => of('left').length === 6);
    put('ours.xml', xml());
    await until(() => codes().length === 1);
    expect(hints()).toContain('notes.docx: It is not a file that an inbox takes');
    expect(hints()).toContain('link.xml: It is a link');
    expect(hints()).toContain('pipe.csv: It is a named pipe');
    expect(hints()).toContain('folder.xml: It is a folder');
    expect(hints()).toContain('coming.xml.part: By its name it is hidden or still being');
    expect(of('left')).toHaveLength(6);
    expect(lying()).toEqual(lies);
  });

  test('wait for a description beside them that cannot be taken yet, since it may say how many rows they have', async () => {
    const csv = fileCsv(upload({ records: [planOf(1)] }));
    const [linked, coming] = [A, B].map((code) => `${code}-${sequence}-202611232130.csv`) as [
      string,
      string,
    ];
    put(linked, csv);
    symlinkSync('/etc/hostname', join(dir, `${linked}.json`));
    put(coming, csv);
    put(`${coming}.json.part`, '{"rowCount": 2}');
    await watch();
    await until(() => of('left').length === 4);
    for (const name of [linked, coming]) expect(hints()).toContain(`${name}: Its description`);
    put('ours.xml', xml(H));
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['ours.xml CPF02']);
    rmSync(join(dir, `${linked}.json`));
    put(`${linked}.json`, '{"rowCount": 1}');
    renameSync(join(dir, `${coming}.json.part`), join(dir, `${coming}.json`));
    await until(() => codes().length === 3);
    expect(codes()).toContain(`${linked} CPF02`);
    expect(codes()).toContain(`${coming} CPF01`);
    expect(lying()).toEqual([]);
  });

  test('are not taken without their description while that is renamed, however long they have been there', async () => {
    const name = `${B}-${sequence}-202611232130.csv`;
    put(name, fileCsv(upload({ records: [planOf(1)] })));
    put(`${name}.json.part`, '{"rowCount": 2}');
    const { moveOn, looked } = movedClock();
    const settleMs = 3_600_000;
    await watch({ settleMs });
    await looked();
    moveOn(settleMs);
    // A listing has neither of the names.
    rmSync(join(dir, `${name}.json.part`));
    await looked();
    expect(lying()).toEqual([name]);
    put(`${name}.json`, '{"rowCount": 2}');
    await looked();
    moveOn(settleMs);
    await until(() => codes().length === 1);
    expect(codes()).toEqual([`${name} CPF01`]);
  });

  test('whose names are not UTF-8 are named by their bytes, and loaded once renamed', async () => {
    const name = Buffer.concat([
      Buffer.from(`${dir}/caf`),
      Buffer.from([0xe9]),
      Buffer.from('.xml'),
    ]);
    writeFileSync(name, xml());
    await watch();
    await until(() => of('left').length === 1);
    expect(hints()).toBe('caf%E9.xml: Its name is not in UTF-8, so it is not taken. Rename it.');
    renameSync(name, join(dir, 'café.xml'));
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['café.xml CPF02']);
  });

  test('that never stop changing are reported once', async () => {
    put('endless.xml', 'x');
    let turns = 0;
    const writing = setInterval(() => put('endless.xml', 'x'.repeat((turns += 1))), 5);
    try {
      await watch({ settleMs: 3_600_000 });
      await until(() => of('left').length > 0);
      const told = turns;
      await until(() => turns > told + 20);
    } finally {
      clearInterval(writing);
    }
    expect(of('left')).toHaveLength(1);
    expect(hints()).toContain('endless.xml: It is still being written to');
  });

  test('are each answered, however similar or long their names', async () => {
    const names = ['9990000018.xml', '9990000026.xml', `${'好'.repeat(83)}.xml`, 'a\u001b[31m.xml'];
    for (const [i, name] of names.entries()) put(name, xml(A, sequence + i));
    await watch();
    await until(() => codes().length === 4);
    const answers = folder('outbox').filter((name) => name.endsWith('.json'));
    const sequences = answers.map((name) => {
      const answer: unknown = JSON.parse(readFileSync(join(outbox, name), 'utf8'));
      return acknowledgementSchema.parse(answer).sequence - sequence;
    });
    expect(new Set(sequences)).toEqual(new Set([0, 1, 2, 3]));
    expect(answers.join()).not.toMatch(/999[0-9]{7}|\p{Cc}/u);
  });
});

describe('a file where an answer would be written', () => {
  test('is neither replaced nor followed, and the answer is written once it has gone', async () => {
    const answer = join(outbox, 'a.xml.ack.json');
    const elsewhere = join(dir, 'done', 'theirs');
    mkdirSync(join(dir, 'done'));
    writeFileSync(elsewhere, 'theirs');
    symlinkSync(elsewhere, answer);
    put('a.xml', xml());
    await watch();
    await until(() => of('retried').length > 0);
    expect(hints()).toContain('a.xml.ack.json is a link');
    expect(readlinkSync(answer)).toBe(elsewhere);
    expect(readFileSync(elsewhere, 'utf8')).toBe('theirs');
    rmSync(answer);
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['a.xml CPF02']);
  });

  test('a folder in the inbox that is a link is refused', async () => {
    mkdirSync(join(dir, 'theirs'));
    symlinkSync(join(dir, 'theirs'), join(dir, 'failed'));
    await expect(watch()).rejects.toThrow(/failed is a link and must be a folder/);
  });
});

describe('whatever goes wrong', () => {
  test('a load that failed because of the machine is tried again until it works', async () => {
    put('a.xml', xml());
    let failures = 3;
    await watch({
      load: (source, given) =>
        failures-- > 0
          ? Promise.reject(
              failures === 1 ? new TypeError('9990000018') : new LoadFailed('Out of order.'),
            )
          : load(source, given),
    });
    await until(() => codes().length === 1);
    expect(of('retried')).toHaveLength(3);
    expect(hints()).toContain('Out of order.');
    expect(hints()).not.toContain('9990000018');
    expect(folder('processing')).toEqual([]);
  });

  test('a file taken in by an earlier watcher is loaded, and half a pair is put back', async () => {
    for (const [id, files] of [
      ['2026-11-24T06-00-00-aaaaaaaa', { 'a.xml': xml() }],
      ['2026-11-24T06-00-01-bbbbbbbb', { 'b.dat': xml(A, sequence + 1), 'b.ctl': controlXml() }],
      ['2026-11-24T06-00-02-cccccccc', { 'c.ctl': controlXml() }],
      ['2026-11-24T06-00-03-dddddddd', {}],
    ] as const) {
      mkdirSync(join(dir, 'processing', id), { recursive: true });
      for (const [name, text] of Object.entries(files)) {
        writeFileSync(join(dir, 'processing', id, name), text);
      }
    }
    put('c.dat', xml(A, sequence + 2));
    await watch();
    await until(() => codes().length === 3);
    expect(codes().toSorted()).toEqual(['a.xml CPF02', 'b.dat CPF02', 'c.dat CPF02']);
    expect([folder('processing'), lying()]).toEqual([[], []]);
  });

  test('putting a file back overwrites no other file', async () => {
    const id = '2026-11-24T06-00-02-cccccccc';
    mkdirSync(join(dir, 'processing', id), { recursive: true });
    writeFileSync(join(dir, 'processing', id, 'c.ctl'), controlXml({ LocalId: 'older' }));
    put('c.ctl', controlXml({ LocalId: 'newer' }));
    put('a.xml', xml());
    await watch();
    // Nothing else waits for this file.
    await until(() => codes().length === 1 && of('left').length === 2);
    expect(hints()).toContain(`processing/${id}: It was only half taken in`);
    expect(readFileSync(join(dir, 'c.ctl'), 'utf8')).toContain('newer');
    expect(folder(join('processing', id))).toEqual(['c.ctl']);
  });

  test('a held file with a damaged note is reported once', async () => {
    const id = '2026-11-24T06-00-02-cccccccc';
    mkdirSync(join(dir, 'held', id), { recursive: true });
    writeFileSync(join(dir, 'held', id, 'held.json'), '{');
    await watch();
    await until(() => of('left').length === 1);
    put('a.xml', xml());
    await until(() => codes().length === 1);
    expect(hints()).toBe(
      `held/${id}: Its held.json cannot be read, so its sender gets no final answer.`,
    );
  });

  test('a file is kept until its answer can be written', async () => {
    rmSync(outbox, { recursive: true });
    put('a.xml', xml());
    await watch();
    await until(() => of('retried').length >= 2);
    expect(folder('processing')).toHaveLength(1);
    mkdirSync(outbox);
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['a.xml CPF02']);
  });

  const whileItIsRead = (work: (path: string) => void): Partial<InboxOptions> => ({
    load: async (source, given) => {
      const acknowledgement = await load(source, given);
      if ('path' in source) work(source.path);
      return acknowledgement;
    },
  });
  const touch = (path: string): void => utimesSync(path, new Date(0), new Date(0));

  test.each([
    ['that was loaded', 'CPF02', 'under a new number', () => xml()],
    ['that was not loaded', 'CPF01', 'with the same number', () => xml().replace('</File>', '')],
  ])(
    'a file %s and changed while it was read is kept, and its sender and the operator both learn of it',
    async (_what, code, what, content) => {
      put('a.xml', content());
      await watch(whileItIsRead(touch));
      await until(() => of('failed').length === 1);
      expect(hints()).toContain('still being written');
      expect(folder('outbox')).toEqual([
        'a.xml.ack.csv',
        'a.xml.ack.json',
        'a.xml.ack.txt',
        'a.xml.ack.xml',
      ]);
      const answer = acknowledgementSchema.parse(
        JSON.parse(readFileSync(join(outbox, 'a.xml.ack.json'), 'utf8')),
      );
      expect(answer.code).toBe(code);
      expect(answer.warnings.map(({ hint }) => hint).join()).toContain(
        `Send the whole file again, ${what}`,
      );
      expect(readFileSync(join(outbox, 'a.xml.ack.txt'), 'utf8')).toContain(what);
    },
  );

  test('a pair that changed while it was read is answered to its mailbox, and a lost answer is reported', async () => {
    pair('p', xml());
    await watch(whileItIsRead(touch));
    await until(() => of('failed').length === 1);
    const control = folder('outbox').find((name) => name.endsWith('.ctl')) ?? '';
    expect(readFileSync(join(outbox, control), 'utf8')).toContain('<To_DTS>X26ABC1</To_DTS>');
    sequence += 1;
    put('lost.xml', xml());
    rmSync(outbox, { recursive: true });
    await until(() => of('failed').length === 2);
    expect(hints()).toMatch(
      /lost\.xml: It was still .* the answer could not be written \(ENOENT\)/,
    );
  });

  test('a second watcher cannot start', async () => {
    await watch();
    await expect(watch()).rejects.toThrow(InboxInUse);
  });

  test('a stopped watcher answers what has been loaded and takes in nothing more', async () => {
    put('a.xml', xml());
    let release = (): void => undefined;
    let begun = false;
    const held = new Promise<void>((resolve) => (release = resolve));
    const inbox = await watch({
      parallel: 1,
      load: async (source, given) => {
        const acknowledgement = await load(source, given);
        begun = true;
        await held;
        return acknowledgement;
      },
    });
    await until(() => begun);
    put('b.xml', xml(A, sequence + 1));
    const stopping = inbox.stop();
    release();
    await stopping;
    expect(codes()).toEqual(['a.xml CPF02']);
    expect([...lying(), ...folder('processing')]).toHaveLength(1);
    await watch();
    await until(() => codes().length === 2);
    expect(codes()).toContain('b.xml CPF02');
  });
});

describe('a stopped watcher', () => {
  test('does not wait for tracing, and the next one loads the file', async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    // Asking a national service about a hundred people may take a quarter of an hour.
    const slow: NumberTracer = {
      deadlineMs: 900_000,
      trace: (people, signal) =>
        new Promise((resolve) => {
          ask();
          signal.addEventListener('abort', () =>
            resolve(people.map(() => ({ kind: 'not-traced' as const }))),
          );
        }),
    };
    put('a.xml', xml());
    const inbox = await watch({ load: loadWith({ tracer: slow }) });
    await asked;
    await inbox.stop();
    expect(codes()).toEqual([]);
    expect(hints()).toMatch(/a\.xml: The process was told to stop/);
    expect(listHeldFiles(t.anchor)).toEqual([]);
    await watch();
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['a.xml CPF02']);
  });

  test('ends between two steps of applying a file, and the next watcher continues from there', async () => {
    const own = ods('ZZ105');
    await t.store.setAuthority(own, { name: own, emergencyDutyTeamPhone: '02079460199' }, 'test');
    const records = Array.from({ length: 6_500 }, (_, at) => planOf(50_000 + at));
    put('a.xml', xml(own, sequence, { records }));
    const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
    const applied: number[] = [];
    const inbox = await watch({
      load: loadWith({
        onProgress: (progress) => {
          if (progress.step !== 'applying') return;
          applied.push(progress.rows);
          if (progress.rows === 2_000) void inboxes[0]?.stop().then(stop);
        },
      }),
    });
    await stopped;
    await inbox.stop();
    expect(applied.at(-1)).toBeLessThan(6_500);
    expect(t.anchor.loadInProgress(own)?.sequence).toBe(sequence);
    expect(codes()).toEqual([]);
    await watch();
    await until(() => codes().length === 1);
    expect(codes()).toEqual(['a.xml CPF02']);
    expect(t.anchor.loadInProgress(own)).toBeUndefined();
    expect((await t.store.tally()).get(own)?.rows).toBe(6_500);
  });
});

describe('numbers no longer in use', () => {
  const tracer: NumberTracer = {
    trace: (people) => Promise.resolve(people.map(() => ({ kind: 'inactive' as const }))),
  };
  const traced = loadWith({ tracer });

  test('are reported in a notice beside the acknowledgement, in the mailbox that the file came from', async () => {
    await watch({ load: traced });
    put('plain.xml', xml(A, sequence));
    pair('0001', xml(B, sequence + 1), { From_DTS: 'X26ABC2' });
    await until(() => codes().length === 2);
    const notices = folder('outbox').filter((name) => name.includes('inactive'));
    expect(notices.filter((name) => name.startsWith('plain.xml')).toSorted()).toEqual([
      'plain.xml.inactive.csv',
      'plain.xml.inactive.json',
      'plain.xml.inactive.xml',
    ]);
    const control = notices.find((name) => name.endsWith('.ctl')) ?? '';
    expect(readFileSync(join(outbox, control), 'utf8')).toMatch(/<To_DTS>X26ABC2</);
    const data = readFileSync(join(outbox, control.replace('.ctl', '.dat')), 'utf8');
    expect(data).toContain('<CP-ISInactiveNHSNumberNotification');
    expect(notices.join()).not.toMatch(/999[0-9]{7}/);
  });
});
