import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
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
import { readConfiguration } from '#schemas/configuration.ts';
import { startService } from '#service/main.ts';
import { createLog } from '#service/telemetry/create-log.ts';
import { connectStore, whenReady } from '#store/connection/connection.ts';
import { createStore } from '#store/store.ts';
import { Anchor } from '#store/trust/anchor.ts';
import { orderSingleMode } from '#store/trust/replica-orders.ts';
import { certify } from './support/certificates.ts';
import { startRedisServer } from './support/redis-server.ts';
import { startTestService, until } from './support/service.ts';
import { WAIT_MS } from './support/test-store.ts';
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

/** The names that Prometheus itself adds. */
const OWN_TO_PROMETHEUS = new Set(['up', 'ALERTS']);
const WORDS = /[a-z_][a-z0-9_]*/gi;

/** The metrics in an expression: its names, without labels, functions, keywords and quoted text. */
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

/** Comes with the package `prometheus`, or by `go install github.com/prometheus/prometheus/cmd/promtool@latest`. */
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
  const known = (name: string): boolean => exported.has(name) || OWN_TO_PROMETHEUS.has(name);
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
        // Nothing listens there, which is measured too.
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
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    };
    // Makes a refusal, so that there is one to count.
    await new Promise<void>((resolve, reject) => {
      const options = { method: 'POST', rejectUnauthorized: false };
      request(`${service.baseUrl}/lookup`, options, (incoming) => {
        incoming.resume().once('end', resolve);
      })
        .once('error', reject)
        .end();
    });
    const url = `http://127.0.0.1:${await service.metricsPort}/metrics`;
    const asked = [...rules, ...panels].flatMap(({ expr }) =>
      metricsOf(expr.replaceAll('$__rate_interval', '5m')),
    );
    // Some metrics exist only once the event they measure has happened. The tests say which do not.
    await until(async () => {
      page = await (await fetch(url)).text();
      for (const [, name = '', type] of page.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
        const parts = type === 'histogram' ? ['_bucket', '_count', '_sum'] : [''];
        for (const part of parts) exported.add(`${name}${part}`);
      }
      return asked.every(known);
    }, 'every metric that is asked for').catch(() => undefined);
  });
  afterAll(() => end());

  test.each(rules)('exports every metric that the alert $alert uses', ({ expr }) => {
    expect(metricsOf(expr).filter((name) => !known(name))).toEqual([]);
  });

  test.each(rules)('exports every label that the alert $alert uses', ({ expr }) => {
    for (const [, name = '', matchers = ''] of expr.matchAll(/([a-z_]+)\{([^}]*)\}/g)) {
      if (OWN_TO_PROMETHEUS.has(name)) continue;
      const samples = page.split('\n').filter((line) => line.startsWith(`${name}{`));
      for (const [, label = ''] of matchers.matchAll(/([a-z_]+)[=!]/g)) {
        const has = samples.some((line) => line.includes(`${label}="`));
        expect(has, `${label} of ${name}`).toBe(true);
      }
    }
  });

  test.each(panels)('exports every metric that the panel $title uses ($expr)', ({ expr }) => {
    const names = metricsOf(expr.replaceAll('$__rate_interval', '5m'));
    expect(names.length + (expr.includes('up{') ? 1 : 0)).toBeGreaterThan(0);
    expect(names.filter((name) => !known(name))).toEqual([]);
  });

  test.skipIf(!hasPromtool)('gives a page in which Prometheus finds nothing wrong', async () => {
    const checking = promisify(execFile)('promtool', ['check', 'metrics']);
    checking.child.stdin?.end(page);
    expect(await checking).toEqual({ stdout: '', stderr: '' });
  });

  test('exports only what docs/operating/metrics.md explains', () => {
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

  test('exist for every section', () => {
    expect(sections.map((text) => text.split('\n', 1)[0])).toEqual(rules.map(({ alert }) => alert));
  });

  test('are all linked at the head of the page, in its order', () => {
    const [head = ''] = textOf('alerts.md').split('\n## ');
    const linked = [...head.matchAll(/\[(\w+)\]\(#\1\)/gi)].map(([, alert = '']) => alert);
    expect([...new Set(linked)]).toEqual(rules.map(({ alert }) => alert));
  });
});

/** Which of these alerts fire if a process exports this page for half an hour. */
async function firing(
  page: string,
  alerts: readonly string[],
  failsOver: boolean,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cpf-operating-'));
  const series = [...page.matchAll(/^(cp_flags_\w+)(?:\{(.*)\})? ([0-9.e+-]+)$/gm)].map(
    ([, name = '', labels = '', value]) => {
      const own = [
        ...(labels === '' ? [] : [labels]),
        'instance="a:9464"',
        'job="cp-flags"',
      ].join();
      // One value a minute: ages grow, a failover happens in the last few minutes, and everything else stays the same.
      let values = `${value}x60`;
      if (name.endsWith('_age_seconds')) values = `${value}+60x60`;
      if (name === 'cp_flags_store_failovers_total' && failsOver) {
        values = `${value}x24 ${Number(value) + 1}x36`;
      }
      return { series: `${name}{${own}}`, values };
    },
  );
  const expr = `max by (alertname) (ALERTS{alertstate="firing",alertname=~"${alerts.join('|')}"})`;
  const tests = [
    {
      interval: '1m',
      input_series: series,
      promql_expr_test: [{ expr, eval_time: '30m', exp_samples: [] }],
    },
  ];
  const file = join(folder, 'fed.json');
  const fed = { rule_files: [fileOf('alerts.yml')], evaluation_interval: '1m', tests };
  await writeFile(file, JSON.stringify(fed));
  const said = await promtool('test', 'rules', file).catch(
    (error: unknown) => `${(error as { stdout: string }).stdout}${String(error)}`,
  );
  await rm(folder, { recursive: true, force: true });
  const names = [...said.matchAll(/alertname="(\w+)"/g)].map(([, name = '']) => name);
  return [...new Set(names)].toSorted().join();
}

test.skipIf(!hasPromtool)(
  'the alerts on replicas, single mode, second copy, witnesses and failovers fire on what a service in that state exports',
  async () => {
    const ALERTS = [
      'ReplicaMissing',
      'SingleMode',
      'SecondCopyAway',
      'AuditNotWitnessed',
      'FailoverHappened',
    ];
    const folder = await mkdtemp(join(tmpdir(), 'cpf-operating-'));
    const [first, second] = await Promise.all([startRedisServer(), startRedisServer()]);
    const ending: (() => Promise<unknown>)[] = [
      () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
      () => Promise.all([first.stop(), second.stop()]),
    ];
    try {
      await second.replicate(first);
      const copy = join(folder, 'copy');
      await mkdir(copy);
      const witnesses = join(folder, 'witnesses');
      const nobody = { signer: witnessSigner('w.test'), url: 'http://127.0.0.1:9' };
      await writeFile(witnesses, witnessesText([nobody], 1));
      const service = await startService(
        readConfiguration({
          DATA_DIR: join(folder, 'data'),
          PORT: '0',
          METRICS_PORT: '0',
          REDIS_URL: first.url,
          REDIS_REPLICAS: '1',
          AUDIT_COPY: copy,
          AUDIT_WITNESSES: witnesses,
        }),
        {
          log: createLog('silent'),
          prepare: async ({ administrator, verifier }) => {
            await administrator.createDataset('demo', 'test');
            await verifier.look();
          },
        },
      );
      ending.push(() => service.stop());
      const anchor = Anchor.open(join(folder, 'data', 'anchor'));
      ending.push(async () => anchor.close());
      const url = `http://127.0.0.1:${await service.metricsPort}/metrics`;
      let page = '';
      const check = (name: string): string | undefined =>
        new RegExp(`^cp_flags_check\\{cp_flags_check="${name}"\\} ([01])$`, 'm').exec(page)?.[1];
      const STATES = ['store:replica-servers', 'audit-copy', 'worker-state', 'store:single-mode'];
      /** Waits for a page on which nothing fails except what should. */
      const fails = (...expected: string[]): Promise<void> =>
        until(
          async () => {
            page = await (await fetch(url)).text();
            return STATES.every((name) => check(name) === (expected.includes(name) ? '0' : '1'));
          },
          `only this to fail: ${expected.join(', ') || 'nothing'}`,
        );

      await fails();
      expect(await firing(page, ALERTS, false)).toBe('AuditNotWitnessed');
      expect(await firing(page, ALERTS, true)).toBe('AuditNotWitnessed,FailoverHappened');

      await first.admin.call('ACL', 'SETUSER', 'cpf-lookup', 'reset', 'on', '>one', '+get', '~a');
      await fails('store:replica-servers');
      expect(await firing(page, ALERTS, false)).toBe('AuditNotWitnessed,ReplicaMissing');
      await first.admin.call('ACL', 'DELUSER', 'cpf-lookup');
      await fails();

      await rename(copy, `${copy}-away`);
      // An event to seal, whose copying finds the second copy away.
      await createStore(first.admin, anchor).appendEvent({
        type: 'purge',
        auditId: randomUUID(),
        by: 'test',
        detail: {},
      });
      await until(async () => {
        page = await (await fetch(url)).text();
        return check('audit-copy') === '0' && check('store:replica-servers') === '1';
      }, 'the second copy to be away');
      expect(await firing(page, ALERTS, false)).toBe('AuditNotWitnessed,SecondCopyAway');
      await rename(`${copy}-away`, copy);
      await fails();

      await second.promote();
      const alone = connectStore(
        { url: first.url, replicas: 1 },
        { name: 'test', unacknowledged: true },
      );
      ending.push(async () => alone.disconnect());
      await whenReady(alone, WAIT_MS);
      const named = { by: 'A. Example', reason: 'the replica is away' };
      await until(() => orderSingleMode(alone, anchor, 1, named), 'single mode');
      await until(async () => {
        page = await (await fetch(url)).text();
        return check('store:single-mode') === '0';
      }, 'single mode to be reported');
      expect((await firing(page, ALERTS, false)).split(',')).toContain('SingleMode');
    } finally {
      for (const end of ending.toReversed()) await end();
    }
  },
  120_000,
);

test('every panel asks the provisioned Prometheus', () => {
  const { datasources } = z
    .object({ datasources: z.array(z.object({ uid: z.string(), type: z.string() })) })
    .parse(parse(textOf('grafana/provisioning/datasources/prometheus.yml')));
  for (const { title, datasource } of dashboard.panels) {
    if (datasource !== undefined) expect(datasources, title).toContainEqual(datasource);
  }
});

describe.skipIf(!hasPromtool)('promtool', () => {
  test('finds that each alert fires when it should and only then', async () => {
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
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
});
