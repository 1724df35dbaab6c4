import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lookupEventSchema } from '#schemas/audit/audit-event.ts';
import { partitionOf } from '#schemas/nhs-number.ts';
import { WHO_LOOKED_NOT_SHOWN } from '#schemas/wording/lookup.ts';
import { UNKNOWN_ENTRIES } from '#schemas/wording/operations.ts';
import { sealedEvents } from '#service/audit/log/sealed.ts';
import { FUNCTIONS_VERSION } from '#store/functions/functions.ts';
import { keys } from '#store/keys.ts';
import { removeUnreadableLists, unreadableLists } from '#store/trust/access-lists.ts';
import { commandsInTurn } from '../../support/commands.ts';
import { testNumber } from '../../support/rows.ts';
import { claims, startTestService, type TestService, until } from '../../support/service.ts';

const run = commandsInTurn();

/**
 * Whatever somebody with a lookup process's password can damage is noticed, reported, and repaired by a named person,
 * without a restore and without losing an event.
 */

const CHILD = testNumber(801);
const PARTITION = partitionOf(CHILD);
const STREAM = keys.audit(PARTITION);
const NAMED = ['--by', 'A. Example', '--reason', 'password of a lookup process was taken'];

let service: TestService;
beforeEach(async () => {
  service = await startTestService({
    authorities: [{ code: 'ZZ101', rows: [{ nhsNumber: CHILD }] }],
    environment: { METRICS_PORT: '0' },
  });
});
afterEach(() => service?.stopAndRemove());

const look = async (): Promise<{ status: number; text: string }> => {
  const response = await service.lookup({ nhsNumber: CHILD });
  return { status: response.status, text: await response.text() };
};
/** The text of the first answer that is not a 503. */
const answer = async (): Promise<string> => (await service.answered({ nhsNumber: CHILD })).text();
const said = async (): Promise<string> => (await fetch(`${service.baseUrl}/_status`)).text();
const repair = (...args: string[]) => run(['repair', ...args], { DATA_DIR: service.dataDir });
async function alarm(part: string): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${await service.metricsPort}/metrics`)).text();
  const pattern = new RegExp(
    `^cp_flags_store_foreign_writes\\{[^}]*"${part}"[^}]*\\} ([0-9]+)`,
    'm',
  );
  return Number(pattern.exec(page)?.[1]);
}

/** The sealed events of the child's partition. */
async function sealed(): Promise<{ number: number; type: string }[]> {
  const found: { number: number; type: string }[] = [];
  for await (const { event } of sealedEvents(join(service.dataDir, 'audit'), 0)) {
    if (event.partition === PARTITION) found.push({ number: event.number, type: event.type });
  }
  return found;
}
const repairs = async () =>
  (await service.events()).flatMap((event) => (event.type === 'store-repaired' ? [event] : []));

test('shifted streams are reported, and repaired in place without losing an event', async () => {
  for (let i = 0; i < 3; i++) {
    await until(async () => (await look()).status === 200, 'an answer');
  }
  await until(async () => (await said()).includes('are sealed as they come'), 'the log');
  const attacker = await service.connect('lookup');
  await attacker.call('XADD', STREAM, '0-1000000', 'event', 'x');
  await attacker.call('XADD', keys.audit('system'), '0-18446744073709551615', 'event', 'x');
  await attacker.call('XADD', keys.audit((PARTITION + 1) % 256), '5-1', 'event', 'x');

  await until(async () => (await said()).includes('cp-flags repair'), '/_status to say what to do');
  await until(async () => (await look()).status === 503, 'nothing to be answered');
  await until(async () => (await said()).includes('set its event numbers ahead'), 'the reason');
  await until(async () => (await alarm('audit-stream')) === 3, 'the streams to be counted');
  // It must not say that a restore is needed, or let the jump be accepted as lost events.
  expect(await said()).not.toContain('restore Redis');
  const accepted = await run(['audit', 'accept-gap', ...NAMED], { DATA_DIR: service.dataDir });
  expect([accepted.code, accepted.stderr]).toEqual([1, expect.stringContaining('cp-flags repair')]);

  const unnamed = await repair();
  expect([unnamed.code, unnamed.stderr]).toEqual([2, expect.stringContaining('--by NAME')]);
  expect((await repair('--list')).stdout).toContain(`partition ${PARTITION}`);
  expect(await repair(...NAMED)).toMatchObject({ code: 0, stderr: '' });
  await until(async () => (await look()).status === 200, 'lookups to be answered again');
  await until(async () => (await alarm('audit-stream')) === 0, 'the alarm to end');

  await until(async () => (await alarm('audit-entry')) === 3, 'the entries to be sealed');
  const events = await sealed();
  expect(events.map(({ number }) => number)).toEqual(events.map((_, i) => i + 1));
  const types = events.map(({ type }) => type);
  expect(types.slice(0, 3)).toEqual(['lookup', 'lookup', 'lookup']);
  expect(types.filter((type) => type === 'unreadable')).toHaveLength(1);
  const done = (await repairs()).filter(({ detail }) => detail['part'] === 'audit-stream');
  expect(done).toHaveLength(3);
  expect(done[0]).toMatchObject({ by: 'A. Example', detail: { partition: 'system', moved: 1 } });
});

test('a stream that was changed in another way too is not repaired, nor is anything beside it', async () => {
  const attacker = await service.connect('lookup');
  const other = keys.audit((PARTITION + 1) % 256);
  await attacker.call('XADD', other, '0-1000000', 'event', 'x');
  // Nothing of it is sealed, because its first event is missing.
  const changing = service.admin.multi();
  const lost = ['0-3', '0-4', '0-5'];
  for (const id of ['0-2', ...lost, '0-1000000']) changing.xadd(STREAM, id, 'event', 'x');
  await changing.xdel(STREAM, ...lost).exec();
  const last = () => service.admin.xrevrange(other, '+', '-', 'COUNT', 1);
  const before = await last();
  const { code, stdout, stderr } = await repair(...NAMED);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/was changed in another way too[.] Nothing was changed[.]/);
  expect(await last()).toEqual(before);
});

test('a foreign entry is reported until a named person has answered for it', async () => {
  const attacker = await service.connect('lookup');
  await attacker.call('XADD', STREAM, '0-*', 'anything', 'at all');
  await until(async () => (await said()).includes('not events of this service'), '/_status');
  await until(async () => (await alarm('audit-entry')) === 1, 'the entry to be counted');
  await until(async () => (await look()).status === 200, 'lookups to continue');
  expect(await repair(...NAMED)).toMatchObject({ code: 0, stderr: '' });
  await until(async () => (await alarm('audit-entry')) === 0, 'the alarm to end');
  expect(await repairs()).toMatchObject([{ by: 'A. Example', detail: { part: 'audit-entry' } }]);
  await attacker.call('XADD', STREAM, '0-*', 'anything', 'at all');
  await until(async () => (await alarm('audit-entry')) === 1, 'the next one to be reported');
});

test('an entry without what every event has is foreign, and the log can still be sealed, verified and searched', async () => {
  await until(async () => (await look()).status === 200, 'an answer');
  const [real] = (await service.events()).filter(({ type }) => type === 'lookup');
  const { partition: _, number: __, at: ___, outcome: ____, ...written } = real ?? {};
  const attacker = await service.connect('lookup');
  const times = ['9007199254740991', '-9007199254740991', '8640000000000001', '', '1.5', '0x10'];
  for (const at of times) {
    await attacker.call('XADD', STREAM, '0-*', 'event', JSON.stringify(written), 'at', at);
    await attacker.call('XADD', STREAM, '0-*', 'event', 'x', 'at', at);
  }
  const now = String(Date.now());
  for (const event of ['{}', '[]', '{"type":"purge"}', '{"type":"purge","auditId":"none"}']) {
    await attacker.call('XADD', STREAM, '0-*', 'event', event, 'at', now);
  }
  const foreign = 2 * times.length + 4;
  await until(async () => (await alarm('audit-entry')) === foreign, 'the entries to be reported');
  await until(async () => (await look()).status === 200, 'lookups to continue');

  const environment = { DATA_DIR: service.dataDir };
  await until(async () => (await service.admin.xlen(STREAM)) === 0, 'all to be sealed');
  expect(await run(['audit', 'verify'], environment)).toMatchObject({ code: 0 });
  const search = ['audit', 'search', '--by', 'A. Example', '--reason', 'inspection'];
  const found = await run(search, environment);
  expect([found.code, found.stdout]).toEqual([0, expect.stringContaining('unreadable')]);
  expect(await run(['audit', 'index', '--rebuild'], environment)).toMatchObject({ code: 0 });
  expect(await said()).not.toMatch(/Invalid time|RangeError/);
});

test('an entry with only an event’s time, type and id is foreign, and one that may come from a newer version is unknown', async () => {
  await until(async () => (await look()).status === 200, 'an answer');
  const [real] = (await service.events()).filter(({ type }) => type === 'lookup');
  // The parts that the store adds are left out.
  const written = lookupEventSchema.parse(real);
  const { caller } = written;
  const auditId = randomUUID();
  const attacker = await service.connect('lookup');
  const add = (event: object, ...more: string[]) =>
    attacker.call(
      'XADD',
      STREAM,
      '0-*',
      'event',
      JSON.stringify(event),
      'at',
      String(Date.now()),
      ...more,
    );
  const newer = [
    { ...written, auditId, access: 'by-a-newer-way' },
    { ...written, auditId, type: 'newer-kind', caller: 5 },
    { ...written, auditId, newer: 'member' },
  ];
  for (const event of newer) await add(event);
  const forged = [
    { type: 'purge', auditId },
    { type: 'lookup', auditId, nhsNumber: CHILD },
    { ...written, auditId, nhsNumber: 5 },
    { ...written, auditId, caller: { ...caller, name: '' } },
    { ...written, auditId, caller: { ...caller, name: 'x'.repeat(10_000) } },
    { ...written, auditId, caller: { ...caller, organisation: 'all' } },
    { type: 'unreadable', auditId, sha256: 'as this service', fields: 'seals what it cannot read' },
  ];
  for (const event of forged) await add(event);
  await until(
    async () => (await alarm('audit-entry')) === forged.length,
    'the entries to be reported',
  );
  await until(async () => (await service.admin.xlen(STREAM)) === 0, 'all to be sealed');
  await until(async () => (await said()).includes('2 entries sealed lately'), 'the unknown ones');
  await until(
    () => service.lines.some((line) => line.includes(UNKNOWN_ENTRIES.found)),
    'the log to say so',
  );
  await until(async () => (await look()).status === 200, 'lookups to continue');
  expect(await run(['audit', 'verify'], { DATA_DIR: service.dataDir })).toMatchObject({ code: 0 });
  expect(await repair(...NAMED)).toMatchObject({ code: 0, stderr: '' });
  await until(async () => (await alarm('audit-entry')) === 0, 'the alarm to end');
});

test('an unreadable list of accesses is found without a lookup, and emptied', async () => {
  const attacker = await service.connect('lookup');
  await attacker.hset(keys.accessLists(PARTITION), CHILD, 'nonsense');
  await until(async () => (await said()).includes('Lists of who looked'), '/_status');
  await until(async () => (await alarm('access-list')) === 1, 'the list to be counted');
  expect(await answer()).toContain(WHO_LOOKED_NOT_SHOWN);
  expect(await repair(...NAMED)).toMatchObject({ code: 0, stderr: '' });
  const text = await answer();
  expect(text).not.toContain(WHO_LOOKED_NOT_SHOWN);
  expect(JSON.parse(text)).toMatchObject({ accesses: [{ own: true, name: claims().name }] });
  await until(async () => (await alarm('access-list')) === 0, 'the alarm to end');
  expect(await repairs()).toMatchObject([
    { by: 'A. Example', detail: { part: 'access-list', partition: String(PARTITION), lists: 1 } },
  ]);
});

test('of two repairs at once, the slower removes no list that has begun since the faster', async () => {
  const lists = keys.accessLists(PARTITION);
  const attacker = await service.connect('lookup');
  await attacker.hset(lists, CHILD, 'nonsense');
  // What the slower has found by now.
  expect(await unreadableLists(service.admin, PARTITION)).toEqual([CHILD]);
  expect(await repair(...NAMED)).toMatchObject({ code: 0, stderr: '' });
  await answer();
  await attacker.hset(lists, testNumber(802), 'nonsense');
  await removeUnreadableLists(service.admin, PARTITION);
  expect(await service.admin.hkeys(lists)).toEqual([CHILD]);
});

test('nothing is repaired unless it can be recorded first', async () => {
  const lists = keys.accessLists(PARTITION);
  const attacker = await service.connect('lookup');
  await attacker.hset(lists, CHILD, 'nonsense');
  await attacker.call('XADD', STREAM, '0-*', 'anything', 'at all');
  await until(async () => (await alarm('audit-entry')) === 1, 'the entry to be sealed');
  const administrator = String(await service.admin.call('ACL', 'WHOAMI'));
  await service.admin.call('ACL', 'SETUSER', administrator, '-xadd');
  expect(await repair(...NAMED)).toMatchObject({ code: 1 });
  await service.admin.call('ACL', 'SETUSER', administrator, '+xadd');
  expect(await service.admin.hget(lists, CHILD)).toBe('nonsense');
  expect(await alarm('audit-entry')).toBe(1);

  await attacker.call('XADD', STREAM, '0-1000000', 'event', 'x');
  await until(async () => (await alarm('audit-stream')) === 1, 'the stream to be seen');
  // An attacker may write any number of these.
  for (let from = 0; from < 130_000; from += 10_000) {
    const fields = Array.from({ length: 10_000 }, (_, i) => [`x${from + i}`, 'nonsense']);
    await attacker.hset(lists, ...fields.flat());
  }
  expect(await repair(...NAMED)).toMatchObject({ code: 0, stderr: '' });
  await until(async () => (await service.admin.xlen(STREAM)) === 0, 'all to be sealed');
  expect(
    (await repairs()).map(({ detail }) => [detail['part'], detail['moved'] ?? detail['lists']]),
  ).toEqual([
    ['audit-stream', 1],
    ['access-list', 130_001],
    ['audit-entry', undefined],
  ]);
});

test('a shortened stream is not repaired, and the command says what will open the store again', async () => {
  await until(async () => (await look()).status === 200, 'an answer');
  await until(async () => (await service.admin.xlen(STREAM)) === 0, 'all to be sealed');
  const attacker = await service.connect('lookup');
  await attacker.call('XADD', STREAM, '0-1000000', 'event', 'x');
  await until(async () => (await said()).includes('set its event numbers ahead'), '/_status');
  // This removes an event that can then never be sealed.
  await attacker.call('XADD', STREAM, 'MAXLEN', '1', '0-1000001', 'event', 'x');
  const repaired = await repair(...NAMED);
  expect([repaired.code, repaired.stderr]).toEqual([1, expect.stringContaining('stays closed')]);
  expect(repaired.stderr).toContain('audit accept-gap');
  expect(repaired.stdout).not.toContain('opens');
  for (const args of [['--list'], NAMED]) {
    const { stdout, stderr } = await repair(...args);
    // One event, or more if somebody was looked up meanwhile.
    expect(stdout + stderr).toMatch(new RegExp(`of partition ${PARTITION} (?:is|are) missing`));
    expect(stdout).not.toContain('Nothing was found');
  }
  // The lookups' own check of the store comes once a second.
  await until(async () => (await look()).status === 503, 'nothing to be answered');
  const accepted = await run(['audit', 'accept-gap', ...NAMED], { DATA_DIR: service.dataDir });
  expect(accepted).toMatchObject({ code: 0 });
  await until(async () => (await look()).status === 200, 'lookups to be answered again');
  await until(
    async () => (await repair('--list')).stdout.includes('not events of this service'),
    'the entry to be sealed',
  );
  expect(await repair(...NAMED)).toMatchObject({ code: 0, stderr: '' });
});

test('if nothing is damaged, nothing is done, and the command says so', async () => {
  await look();
  expect((await repair(...NAMED)).stdout).toContain('Nothing was found to repair.');
  expect(await repairs()).toEqual([]);
});

test('functions that somebody has replaced stop all lookups until a named person puts them back', async () => {
  await until(async () => (await look()).status === 200, 'an answer');
  const attacker = await service.connect('worker');
  await attacker.call(
    'FUNCTION',
    'LOAD',
    'REPLACE',
    `#!lua name=cpf_${FUNCTIONS_VERSION}\nredis.register_function('cpf_other', function() return 0 end)`,
  );
  await until(async () => (await said()).includes('has replaced its functions'), '/_status');
  await until(async () => (await look()).status === 503, 'nothing to be answered');
  const listed = await repair('--list');
  expect(listed.stdout).toContain('The functions in Redis are not those of this version.');
  expect(await repair(...NAMED)).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringContaining('Change the password of the worker') as string,
  });
  expect(await repairs()).toMatchObject([{ by: 'A. Example', detail: { part: 'functions' } }]);
  await until(async () => (await look()).status === 200, 'lookups to be answered again');
});
