import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { type Configuration, readConfiguration } from '#schemas/configuration.ts';
import { placeSettings } from '#service/audit/copy/open-place.ts';
import { fhirBase } from '#service/cli/audit-search.ts';
import { auditVerify } from '#service/cli/audit-verify.ts';
import { commandLine } from '#service/cli/commands.ts';
import { settingsHelp } from '#service/cli/settings-help.ts';
import { mailboxSettings, meshOptions } from '#service/mesh/mesh-settings.ts';
import {
  notifierSettings,
  watchPreferences,
} from '#service/notifications/notification-settings.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { inboxIntake } from '#service/uploads/inbox.ts';
import { loadSettings } from '#service/uploads/load-settings.ts';
import { openNumberTracer } from '#service/uploads/number-tracing.ts';
import { root } from '../../support/processes.ts';

const CONFIGURATION = readConfiguration({
  TRACING: 'pds',
  PDS_URL: 'https://pds.example',
  PDS_API_KEY: 'key',
  PDS_KEY_ID: 'key-1',
  PDS_KEY_FILE: '/nowhere/key.pem',
  MESH_URL: 'https://mesh.example',
  MESH_MAILBOX: 'X26ABC1',
  MESH_WORKFLOW_ID: 'UPLOADS',
  MESH_PASSWORD_FILE: '/nowhere/password',
  MESH_SHARED_KEY_FILE: '/nowhere/shared-key',
  MESH_CERT_FILE: '/nowhere/cert.pem',
  MESH_KEY_FILE: '/nowhere/key.pem',
  NOTIFICATIONS_FILE: '/nowhere/notifications.json',
});

/** The parts of each command that read the configuration. What becomes of the values does not matter. */
const READS: Record<string, ((configuration: Configuration) => unknown)[]> = {
  load: [(read) => loadSettings(read, undefined), (read) => openNumberTracer(read, 'live')],
  watch: [
    (read) => loadSettings(read, undefined),
    (read) => openNumberTracer(read, 'live'),
    (read) => meshOptions(read, 'demo'),
    intake,
  ],
  mesh: [
    (read) => loadSettings(read, undefined),
    (read) => openNumberTracer(read, 'live'),
    (read) => mailboxSettings(read, 'demo'),
    intake,
  ],
  audit: [placeSettings, fhirBase, (read) => auditVerify(read, undefined, {})],
  notifications: [
    (read) => notifierSettings(read, 'live'),
    (read) => watchPreferences(read, undefined, () => undefined),
  ],
};

function intake(configuration: Configuration) {
  const loads = loadSettings(configuration, undefined);
  const using = () => Promise.reject(new Error('nothing is loaded here'));
  return inboxIntake(configuration, { using, loads, log: createLog('silent') });
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

test.for(Object.entries(READS))(
  'the help of %s names every setting that it reads',
  async ([name, works]) => {
    const read = new Set<string>();
    const recording = new Proxy(CONFIGURATION, {
      get(target, key, receiver) {
        read.add(String(key));
        return Reflect.get(target, key, receiver) as unknown;
      },
    });
    for (const work of works) {
      await Promise.resolve(work(recording)).catch(() => 'no such key');
    }
    const program = await commandLine({}, name);
    const command = program.commands.find((each) => each.name() === name) as Command;
    const named = new Set(
      [...helpOf(command).matchAll(/^ {2}([A-Z][A-Z_]+)\b/gm)].map(([, setting = '']) => setting),
    );
    // The data folder is described once for all commands, in the help of the program.
    expect(read.size).toBeGreaterThan(4);
    expect([...read].filter((setting) => setting !== 'DATA_DIR' && !named.has(setting))).toEqual(
      [],
    );
  },
);

test('help refers to other pages by name, not by a Markdown link', () => {
  expect(settingsHelp()).toContain('See Topologies (docs/topologies.md).');
  expect(settingsHelp()).not.toMatch(/\]\(/);
});

test('the live-data example in the help of serve is the one in docs/operating/installing.md, and it starts', async () => {
  const program = await commandLine({}, 'serve');
  const page = readFileSync(join(root, 'docs', 'operating', 'installing.md'), 'utf8');
  const [, block = ''] = /\n## Live dataset\n[^]*?```sh\n([^]*?)```/.exec(page) ?? [];
  const joined = (text: string): string[] => text.replaceAll(/ *\\\n */g, ' ').split('\n');
  const served = joined(block)
    .find((line) => line.endsWith(' serve'))
    ?.replace('service/cp-flags', 'cp-flags');
  expect(served).toContain('MINIMUM_COVERAGE_ACCEPTED_BY=');
  const lines = joined(helpOf(program.commands[0] as Command)).map((line) => line.trim());
  expect(lines).toContain(served);
});
