import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auditSearchSchema } from '#schemas/audit/audit-search.ts';
import { type Configuration, readConfiguration } from '#schemas/configuration.ts';
import { addAuditCommands } from '#service/cli/audit.ts';
import { auditAcceptGap, auditHold, auditKey } from '#service/cli/audit-acts.ts';
import {
  confirmAuthorityPlans,
  expectAuthorities,
  removeAuthorityByMistake,
  resetAuthoritySequence,
} from '#service/cli/authority.ts';
import { block, unblock } from '#service/cli/block.ts';
import {
  confirmClockPutBack,
  confirmDataset,
  confirmOldDataFolder,
  confirmPromotedServer,
} from '#service/cli/confirm.ts';
import { Failure } from '#service/cli/failure.ts';
import type { Named } from '#service/cli/named.ts';
import { resendNotifications } from '#service/cli/notifications.ts';
import { release } from '#service/cli/release.ts';
import { repair } from '#service/cli/repair.ts';

let configuration: Configuration;
let folder: string;
beforeAll(() => {
  // This folder is empty, so a command that reads more than its options fails in another way.
  folder = mkdtempSync(join(tmpdir(), 'cpf-named-'));
  configuration = readConfiguration({ DATA_DIR: folder });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A `cp-flags audit ...` command that can only be reached through its options. */
function audit(...args: string[]) {
  return async ({ by, reason }: Named): Promise<void> => {
    const command = new Command().exitOverride();
    addAuditCommands(command, () => configuration);
    await command.parseAsync(['audit', ...args, '--by', by, '--reason', reason], { from: 'user' });
  };
}

/** Every command for which somebody must answer. */
const COMMANDS: Record<string, (named: Named) => Promise<unknown>> = {
  'audit key --add': (named) => auditKey(configuration, { ...named, add: true }),
  'audit key --retire': (named) => auditKey(configuration, { ...named, retire: true }),
  'audit hold': (named) => auditHold(configuration, named),
  'audit hold --end': (named) => auditHold(configuration, { ...named, end: '1' }),
  'audit accept-gap': (named) => auditAcceptGap(configuration, named),
  'audit search': audit('search'),
  'audit report': audit('report', 'lookers'),
  'authority reset-sequence': (named) => resetAuthoritySequence(configuration, 'ZZ101', named),
  'authority confirm-plans': (named) =>
    confirmAuthorityPlans(configuration, 'ZZ101', { ...named, fullRefresh: '3' }),
  'authority remove': (named) => removeAuthorityByMistake(configuration, 'ZZ101', named),
  'authority expect': (named) => expectAuthorities(configuration, { ...named, file: 'none' }),
  block: (named) => block(configuration, 'nurse-1', { ...named, issuer: 'i' }),
  unblock: (named) => unblock(configuration, 'nurse-1', { ...named, issuer: 'i' }),
  'notifications resend': (named) => resendNotifications(configuration, 'ZZ101', named),
  release: (named) => release(configuration, 'ZZ101-1', named),
  repair: (named) => repair(configuration, named),
  'confirm promotion': (named) => confirmPromotedServer(configuration, named),
  'confirm old-copy': (named) => confirmOldDataFolder(configuration, named),
  'confirm clock': (named) => confirmClockPutBack(configuration, named),
  'confirm dataset': (named) => confirmDataset(configuration, 'one', named),
};

const WRONG = ['', ' ', '\u202e\u200f', '\u0301', '...', 'A\u001b[31m', 'A\ud800', 'A'.repeat(121)];

describe('who and why', () => {
  test.for(Object.entries(COMMANDS))(
    'follow one rule before %s does anything',
    async ([, command]) => {
      const outcome = (named: Named): Promise<unknown> =>
        command(named).then(
          () => 'done',
          (error: unknown) => (error instanceof Failure ? [error.exitCode, error.message] : error),
        );
      for (const text of WRONG) {
        expect(await outcome({ by: text, reason: 'review' })).toEqual([
          2,
          expect.stringMatching(/^--by must /),
        ]);
        expect(await outcome({ by: 'A. Guardian', reason: text })).toEqual([
          2,
          expect.stringMatching(/^--reason must /),
        ]);
      }
    },
  );

  test('follow the same rule in a search over HTTP', () => {
    for (const reason of WRONG) {
      expect(auditSearchSchema.safeParse({ reason }).success).toBe(false);
    }
    expect(auditSearchSchema.safeParse({ reason: 'review' }).success).toBe(true);
  });
});
