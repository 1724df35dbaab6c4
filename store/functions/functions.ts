import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { PLAN_TYPES, type PlanType, planTypes } from '#schemas/plans/plan.ts';

/** Each is beside the calls of its functions, by its path in `store/`. Files that others use come first. */
const PARTS = [
  'functions/common',
  'lookup',
  'attendance',
  'rows/rows',
  'audit-stream/events',
  'locks/authority-lock',
  'authorities/ledger',
  'shared-use',
  'rows/not-in-use',
  'trust/server',
  'session-endings',
] as const;

const lettersOf = (types: readonly PlanType[]): string =>
  types.map((type) => PLAN_TYPES[type].letter).join('');

/** The letters of all plan types, and of those whose end date may be the day a baby is due. */
const body = PARTS.map((part) => readFileSync(new URL(`../${part}.lua`, import.meta.url), 'utf8'))
  .join('\n')
  .replaceAll('@PLAN_LETTERS@', lettersOf(planTypes))
  .replaceAll(
    '@DUE_LETTERS@',
    lettersOf(planTypes.filter((type) => PLAN_TYPES[type].end === 'due-or-end')),
  );

/**
 * The digest of the library's own text, which ends its name and its functions' names. Two versions of the
 * service can run side by side on one Redis, each with its own functions, and a missing function is an error
 * rather than another version's answer.
 */
export const FUNCTIONS_VERSION = createHash('sha256').update(body).digest('hex').slice(0, 12);

const LIBRARY = `cpf_${FUNCTIONS_VERSION}`;
const library = `#!lua name=${LIBRARY}\nlocal VERSION = '${FUNCTIONS_VERSION}'\n${body}`;

const name = (short: string): string => `cpf_${short}_${FUNCTIONS_VERSION}`;

/** The functions by what they do; each is described at the head of its Lua. */
export const FUNCTIONS = {
  lookup: name('lookup'),
  attendance: name('attendance'),
  readRows: name('read_rows'),
  applyRows: name('apply_rows'),
  removeRows: name('remove_rows'),
  restrict: name('restrict'),
  stamps: name('stamps'),
  createPartitions: name('create_partitions'),
  appendEvent: name('append_event'),
  auditNumbers: name('audit_numbers'),
  fillStream: name('fill_stream'),
  trimAudit: name('trim_audit'),
  repairStream: name('repair_stream'),
  unreadableLists: name('unreadable_lists'),
  removeUnreadableLists: name('remove_unreadable_lists'),
  addUse: name('add_use'),
  lockAuthority: name('lock_authority'),
  renewLock: name('renew_lock'),
  changeIf: name('change_if'),
  beginWork: name('begin_work'),
  changeAuthority: name('change_authority'),
  keepAct: name('keep_act'),
  setNotInUse: name('set_not_in_use'),
  markNumber: name('mark_number'),
  markServer: name('mark_server'),
  readEndings: name('read_endings'),
} as const;

/**
 * The functions that change nothing that has to last, so that their replies wait for no replica. What `readEndings`
 * removes ends nothing; the others are registered in Lua with `no-writes`.
 */
export const READING_FUNCTIONS: readonly string[] = [
  FUNCTIONS.readRows,
  FUNCTIONS.stamps,
  FUNCTIONS.auditNumbers,
  FUNCTIONS.unreadableLists,
  FUNCTIONS.readEndings,
];

/** Puts this version's functions on the server, unless they are already there. Those of other versions stay. */
export async function loadFunctions(redis: Redis): Promise<void> {
  try {
    await redis.call('FUNCTION', 'LOAD', library);
  } catch (error) {
    if (!(error instanceof Error && /already exists/i.test(error.message))) throw error;
  }
}

/** Of a library as `FUNCTION LIST` gives it: a flat list, or an object if the protocol has maps. */
function memberOf(found: unknown, member: 'library_name' | 'library_code'): unknown {
  if (!Array.isArray(found)) return (found as Record<string, unknown>)[member];
  const flat = found as unknown[];
  return flat[flat.indexOf(member) + 1];
}

/** The libraries of all versions that are there. */
export async function libraryNames(redis: Redis): Promise<string[]> {
  const reply = await redis.call('FUNCTION', 'LIST');
  return (reply as unknown[]).map((found) => String(memberOf(found, 'library_name')));
}

/** Whether somebody has put other functions under the names of this version's; false if there are none. */
export async function areFunctionsReplaced(redis: Redis): Promise<boolean> {
  const reply = await redis.call('FUNCTION', 'LIST', 'LIBRARYNAME', LIBRARY, 'WITHCODE');
  return (reply as unknown[]).some((found) => memberOf(found, 'library_code') !== library);
}

/** Puts this version's functions back. */
export async function restoreFunctions(redis: Redis): Promise<void> {
  await redis.call('FUNCTION', 'LOAD', 'REPLACE', library);
}
