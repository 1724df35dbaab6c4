import type { Command } from 'commander';
import type { Configuration } from '#schemas/configuration.ts';
import { COPY_SETTINGS } from '../audit/copy/open-place.ts';
import { auditAcceptGap, auditHold, auditKey } from './audit-acts.ts';
import { addAuditCasesCommands } from './audit-cases.ts';
import { acceptOlder, orderCopies, showCopy } from './audit-copy.ts';
import { addAuditIndexCommand } from './audit-index.ts';
import { addAuditReportCommand } from './audit-report.ts';
import { addAuditSearchCommand, SEARCH_SETTINGS } from './audit-search.ts';
import {
  auditProve,
  auditVerify,
  VERIFY_SETTINGS,
  type VerifyCommandOptions,
} from './audit-verify.ts';
import type { Named } from './named.ts';
import { settingsHelp } from './settings-help.ts';

const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** Declares `cp-flags audit ...`: the sealed log. */
export function addAuditCommands(program: Command, configuration: () => Configuration): void {
  const audit = program
    .command('audit')
    .description(
      'The sealed audit log: search it, verify it, prove an event, manage keys and holds.',
    )
    .addHelpText(
      'after',
      () => `
${settingsHelp([...VERIFY_SETTINGS, ...SEARCH_SETTINGS, ...COPY_SETTINGS])}`,
    );

  audit
    .command('verify')
    .description('Check that a log is whole. Needs only its files and the public key.')
    .argument('[path]', 'the folder of a log, or a proof made with cp-flags audit prove')
    .option('--key <vkey>', 'the public key, or a file of public keys; may be repeated', collect)
    .option(
      '--checkpoint <file>',
      'an older checkpoint that the log must continue; may be repeated',
      collect,
    )
    .option(
      '--witnesses <file>',
      'the witnesses that must have cosigned the log, and how many of them (default: AUDIT_WITNESSES)',
    )
    .option('--newest-within <hours>', 'fail if the youngest event is older than this')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `
It names what is missing, changed, added or out of place, and in which entry or file.

A copy that was made while the log was being written is also whole: the output says how many entries its
checkpoint does not cover yet. A checkpoint that cannot be read is reported as a fault of that checkpoint, not of the log.

Exit code: 0 whole, 3 not whole, 4 whole but not compared with every --checkpoint, 1 the verification
failed, 2 wrong usage.

Examples:
  cp-flags audit verify --key 'cp-flags/4b0c...+1d2f9c3a+AZ...' /mnt/evidence/audit
  cp-flags audit verify --key key.txt --checkpoint checkpoint-of-january /mnt/evidence/audit
  cp-flags audit verify --key key.txt lookup.tlog-proof
`,
    )
    .action(async (path: string | undefined, options: VerifyCommandOptions) => {
      process.exitCode = await auditVerify(configuration(), path, options);
    });

  audit
    .command('prove')
    .description('Print a proof that an event is in the log. Anybody can verify it elsewhere.')
    .argument('<auditId>', 'the auditId of an answer or of another event')
    .option('--dir <folder>', 'the folder of the log (default: AUDIT_DIR)')
    .option('--key <vkey>', 'the public key, or a file of public keys; may be repeated', collect)
    .option('--entry <number>', 'the entry, if several events have this id')
    .addHelpText(
      'after',
      `
The proof is a text in the form c2sp.org/tlog-proof@v1 and holds the event itself, with its NHS number.

Example:
  cp-flags audit prove 0b2f5ad0-2f5e-4a8e-9d0c-0c9a3f1d7e11 > lookup.tlog-proof
  cp-flags audit verify --key key.txt lookup.tlog-proof
`,
    )
    .action((auditId: string, options: { dir?: string; key?: string[]; entry?: string }) =>
      auditProve(configuration(), auditId, options),
    );

  audit
    .command('key')
    .description('Print the public key of the log; change the key that signs it.')
    .option('--add', 'make a new key; from now on it and the old one both sign')
    .option('--retire', 'retire the old keys: from now on only the newest one signs')
    .option('--by <name>', 'who does it')
    .option('--reason <text>', 'why')
    .addHelpText(
      'after',
      `
The newest key comes first. Give the new one to everybody who verifies before the old one is retired.
Retired keys are printed last, with the word retired: they verify checkpoints and proofs of their time
(--checkpoint, audit prove), but no longer the log’s own checkpoint.

Examples:
  cp-flags audit key > key.txt
  cp-flags audit key --add --by 'A. Guardian' --reason 'yearly change'
`,
    )
    .action((options: { add?: boolean; retire?: boolean; by?: string; reason?: string }) =>
      auditKey(configuration(), options),
    );

  const copy = audit
    .command('copy')
    .description(
      'Show whether the second copy of the log can be used, or continue without it for a time.',
    )
    .addHelpText('after', '\nExample:\n  cp-flags audit copy\n')
    .action(() => showCopy(configuration()));
  for (const [name, description, reason] of [
    [
      'single',
      'Continue with one copy: sealed events are then on one disk only.',
      'the bucket is away for a day, incident 1234',
    ],
    ['require', 'Require the second copy again.', 'the bucket is back, incident 1234'],
    [
      'accept-older',
      'Let a worker take over the newest state that the copy has, although a later one counted.',
      'the bucket was restored from last night, incident 1234',
    ],
  ] as const) {
    copy
      .command(name)
      .description(description)
      .requiredOption('--by <name>', 'who decides; goes into the audit')
      .requiredOption('--reason <text>', 'why; goes into the audit')
      .addHelpText(
        'after',
        `
Run it with the settings of the worker.

Example:
  cp-flags audit copy ${name} --by "A. Example" --reason "${reason}"
`,
      )
      .action((options: Named) =>
        name === 'accept-older'
          ? acceptOlder(configuration(), options)
          : orderCopies(configuration(), name, options),
      );
  }

  audit
    .command('hold')
    .description('Keep every event, however old, until the hold is ended.')
    .option('--by <name>', 'who decides; goes into the audit')
    .option('--reason <text>', 'why, for instance an inquiry')
    .option('--end <hold>', 'end this hold')
    .option('--list', 'list the holds in force')
    .addHelpText(
      'after',
      `
Examples:
  cp-flags audit hold --by 'A. Guardian' --reason 'inquiry 12/2026'
  cp-flags audit hold --end 1 --by 'A. Guardian' --reason 'inquiry closed'
`,
    )
    .action((options: { by?: string; reason?: string; end?: string; list?: boolean }) =>
      auditHold(configuration(), options),
    );

  addAuditSearchCommand(audit, configuration);
  addAuditReportCommand(audit, configuration);
  addAuditCasesCommands(audit, configuration);
  addAuditIndexCommand(audit, configuration);

  audit
    .command('accept-gap')
    .description('Let sealing continue after audit events were lost for good.')
    .option('--by <name>', 'who decides; goes into the audit')
    .option('--reason <text>', 'what happened')
    .addHelpText(
      'after',
      `
Use this only if neither Redis nor the log can be restored. Two people decide it: name the Guardian or privacy
officer in --by, since the event also has the account of the operator who runs the command. The log then says which
events are missing, who accepted that and why, and every verification repeats it.
`,
    )
    .action((options: { by?: string; reason?: string }) =>
      auditAcceptGap(configuration(), options),
    );
}
