import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { certify } from './support/certificates.ts';
import { startTestService, until } from './support/service.ts';
import { witnessesText, witnessSigner } from './support/witness.ts';

const fileOf = (name: string): string =>
  fileURLToPath(new URL(`../docs/operating/${name}`, import.meta.url));
const textOf = (name: string): string => readFileSync(fileOf(name), 'utf8');

const rules = z
  .object({
    groups: z.array(
      z.object({
        rules: z.array(
          z.object({
            alert: z.string(),
            expr: z.string(),
            labels: z.object({ severity: z.enum(['page', 'ticket']) }),
            annotations: z.object({ summary: z.string(), runbook_url: z.string() }),
          }),
        ),
      }),
    ),
  })
  .parse(parse(textOf('alerts.yml')))
  .groups.flatMap((group) => group.rules);

const source = z.object({ type: z.string(), uid: z.string() });
const dashboard = z
  .object({
    panels: z.array(
      z.object({
        title: z.string(),
        datasource: source.optional(),
        targets: z.array(z.object({ expr: z.string() })).default([]),
      }),
    ),
  })
  .parse(JSON.parse(textOf('grafana/dashboards/cp-flags.json')));
const panels = dashboard.panels.flatMap(({ title, targets }) =>
  targets.map(({ expr }) => ({ title, expr })),
);

/** What Prometheus makes on its own. */
const OWN_TO_PROMETHEUS = new Set(['up', 'ALERTS']);
const WORDS = /[a-z_][a-z0-9_]*/gi;

/** Metrics an expression asks for: its names, without labels, functions, keywords and what is quoted. */
function metricsOf(expression: string): string[] {
  const bare = expression
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, '');
  return [...bare.matchAll(WORDS)]
    .map(([word]) => word)
    .filter((word) => word.includes('_') && !/^(?:histogram_quantile)$/.test(word));
}

/** Of the package `prometheus`, or by `go install github.com/prometheus/prometheus/cmd/promtool@latest`. */
async function promtool(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('promtool', args);
  return stdout;
}
const hasPromtool = await promtool('--version').then(
  () => true,
  () => false,
);

describe('a running service', () => {
  const exported = new Set<string>();
  let page = '';
  let end = async (): Promise<void> => undefined;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cpf-operating-'));
    const { cert, key } = certify('flags', { issuer: certify('Test authority') });
    const { publicKey } = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' };
    const keys = createServer((_, outgoing) => outgoing.end(JSON.stringify({ keys: [jwk] })));
    await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
    const { port } = keys.address() as AddressInfo;
    const issuer = {
      issuer: 'https://id.example',
      audience: 'flags',
      algorithms: ['ES256'],
      jwksUrl: `http://127.0.0.1:${port}/`,
    };
    const write = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const service = await startTestService({
      authorities: [{ code: 'ZZ101', rows: [] }],
      environment: {
        METRICS_PORT: '0',
        AUDIT_COPY: await mkdtemp(join(folder, 'copy-')),
        TLS_CERT_FILE: await write('cert', cert),
        TLS_KEY_FILE: await write('key', key),
        ISSUERS_FILE: await write('issuers', JSON.stringify([issuer])),
        // Nobody is there, which is measured too.
        MESH_URL: 'http://127.0.0.1:9',
        MESH_MAILBOX: 'X26CPF1',
        MESH_WORKFLOW_ID: 'TEST_WORKFLOW',
        MESH_PASSWORD_FILE: await write('password', 'password'),
        MESH_SHARED_KEY_FILE: await write('shared-key', 'key'),
        AUDIT_WITNESSES: await write(
          'witnesses',
          witnessesText([{ signer: witnessSigner('w.test'), url: 'http://127.0.0.1:9' }], 1),
        ),
      },
    });
    end = async () => {
      await service.stopAndRemove();
      keys.close();
      await rm(folder, { recursive: true, force: true });
    };
    // A refusal, so that there is one.
    await new Promise<void>((resolve, reject) => {
      const options = { method: 'POST', rejectUnauthorized: false };
      request(`${service.baseUrl}/lookup`, options, (incoming) => {
        incoming.resume().once('end', resolve);
      })
        .once('error', reject)
        .end();
    });
    const url = `http://127.0.0.1:${await service.metricsPort}/metrics`;
    await until(async () => {
      page = await (await fetch(url)).text();
      for (const [, name = '', type] of page.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
        const parts = type === 'histogram' ? ['_bucket', '_count', '_sum'] : [''];
        for (const part of parts) exported.add(`${name}${part}`);
      }
      return [
        'cp_flags_audit_verification_age_seconds',
        'cp_flags_notifications_lag_seconds',
        'cp_flags_mesh_problem',
        'cp_flags_audit_witness',
      ].every((name) => exported.has(name));
    }, 'the audit to be read back and told');
  });
  afterAll(() => end());

  const known = (name: string): boolean => exported.has(name) || OWN_TO_PROMETHEUS.has(name);

  test.each(rules)('exports every metric of the alert $alert', ({ expr }) => {
    expect(metricsOf(expr).filter((name) => !known(name))).toEqual([]);
  });

  test.each(panels)('exports every metric of the panel $title ($expr)', ({ expr }) => {
    const names = metricsOf(expr.replaceAll('$__rate_interval', '5m'));
    expect(names.length + (expr.includes('up{') ? 1 : 0)).toBeGreaterThan(0);
    expect(names.filter((name) => !known(name))).toEqual([]);
  });

  test.skipIf(!hasPromtool)('gives a page in which Prometheus finds no fault', async () => {
    const checking = promisify(execFile)('promtool', ['check', 'metrics']);
    checking.child.stdin?.end(page);
    expect(await checking).toEqual({ stdout: '', stderr: '' });
  });

  test('exports nothing that a reader of docs/operating/metrics.md does not find', () => {
    const described = textOf('metrics.md');
    const names = [...exported].map((name) => name.replace(/_(?:bucket|count|sum)$/, ''));
    const missing = names.filter((name) => !described.includes(`\`${name}\``));
    expect([...new Set(missing)].filter((name) => name !== 'target_info')).toEqual([]);
  });
});

describe('the alerts', () => {
  const sections = textOf('alerts.md').split(/^### /m).slice(1);

  test.each(rules)('$alert has a section that says what to do', ({ alert, annotations }) => {
    const section = sections.find((text) => text.startsWith(`${alert}\n`)) ?? '';
    expect(section).toMatch(/\n\*\*Look at\*\* /);
    expect(section).toMatch(/\n\*\*Do\*\* /);
    expect(annotations.runbook_url).toBe(`docs/operating/alerts.md#${alert.toLowerCase()}`);
  });

  test('are all there is a section for', () => {
    expect(sections.map((text) => text.split('\n', 1)[0])).toEqual(rules.map(({ alert }) => alert));
  });
});

test('every panel asks the Prometheus that is provisioned', () => {
  const { datasources } = z
    .object({ datasources: z.array(z.object({ uid: z.string(), type: z.string() })) })
    .parse(parse(textOf('grafana/provisioning/datasources/prometheus.yml')));
  for (const { title, datasource } of dashboard.panels) {
    if (datasource !== undefined) expect(datasources, title).toContainEqual(datasource);
  }
});

describe.skipIf(!hasPromtool)('promtool', () => {
  test('finds that each alert fires when it must and does not fire when it must not', async () => {
    expect(await promtool('test', 'rules', fileOf('alerts.test.yml'))).toContain('SUCCESS');
    const tried = textOf('alerts.test.yml');
    for (const { alert } of rules) {
      expect(tried).toContain(`name: ${alert} fires\n`);
      expect(tried).toContain(`name: ${alert} does not fire\n`);
    }
  });

  test('can read every expression of the dashboard', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cpf-operating-'));
    const records = panels.map(({ expr }, i) => ({
      record: `panel_${i}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }));
    await writeFile(
      join(folder, 'panels.json'),
      JSON.stringify({ groups: [{ name: 'panels', rules: records }] }),
    );
    const said = await promtool('check', 'rules', join(folder, 'panels.json'));
    expect(said).toContain(`${records.length} rules found`);
    await rm(folder, { recursive: true, force: true });
  });
});
