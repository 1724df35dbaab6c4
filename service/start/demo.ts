import { userInfo } from 'node:os';
import { Readable } from 'node:stream';
import { loadFile } from '#loaders/load/load.ts';
import { type SampleUpload, sampleRenewals, sampleUploads } from '#loaders/synthetic/sample.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { SAMPLE_AUTHORITIES } from '#schemas/sample.ts';
import { DEMO } from '#schemas/wording/operations.ts';
import { openDemoIssuer } from '../admission/demo-issuer.ts';
import { demoPersonas } from '../admission/personas.ts';
import { demoFile, spoolFolder } from '../files/data-folder.ts';
import { writePrivate } from '../files/private-file.ts';
import { errorFields, type Log } from '../telemetry/log.ts';
import type { Tools } from './tools.ts';

/** Something a demo cannot continue with; the message is the sentence for the user. */
class NoDemo extends Error {
  override name = 'NoDemo';
}

const TOKEN_LIFETIME_SECONDS = 7 * 86_400;
const RENEWED_AFTER_MS = 12 * 3_600_000;
const LOOKED_AT_EVERY_MS = 3_600_000;
const FIRST_SEQUENCE = 1;
const LOADED_BY = 'demo';

async function upload(
  { loader, anchor }: Tools,
  configuration: Configuration,
  { name, text, metadata }: SampleUpload,
  log: Log,
): Promise<void> {
  const source = { name, stream: Readable.from([Buffer.from(text)]) };
  const { code, failures, meaning } = await loadFile(loader, anchor, source, {
    spoolDir: spoolFolder(configuration),
    addAuthority: true,
    by: LOADED_BY,
    ...(metadata !== undefined && { metadata }),
  });
  if (code === 'CPF02') return;
  const sentence = DEMO.notWhole(name, failures[0]?.hint ?? meaning);
  if (code !== 'CPF03') throw new NoDemo(sentence);
  log.warn(sentence);
}

/** Loads each sample file that is not in the ledger, so that an interrupted first start is finished. */
async function loadSample(tools: Tools, configuration: Configuration, log: Log): Promise<void> {
  for (const file of sampleUploads({ sequence: FIRST_SEQUENCE, now: Date.now() })) {
    const { code, name, officeHoursPhone, officeHours, emergencyDutyTeamPhone } = file.authority;
    if ((await tools.loader.fileOf(code, FIRST_SEQUENCE)) !== undefined) continue;
    const givenAt = new Date().toISOString();
    const details = {
      name,
      officeHoursPhone,
      officeHoursPhoneAsOf: givenAt,
      ...(officeHours !== undefined && { officeHours }),
      emergencyDutyTeamPhone,
      emergencyDutyTeamPhoneAsOf: givenAt,
    };
    await tools.loader.setAuthority(code, details, LOADED_BY);
    await upload(tools, configuration, file, log);
  }
}

/** Loads an empty file for each sample authority whose data is growing old. */
async function renewSample(tools: Tools, configuration: Configuration, log: Log): Promise<void> {
  for (const { code } of SAMPLE_AUTHORITIES) {
    const held = await tools.loader.authority(code);
    if (held?.dataAsOf === undefined || held.sequence === undefined) continue;
    if (Date.now() - Date.parse(held.dataAsOf) < RENEWED_AFTER_MS) continue;
    const renewals = sampleRenewals({ sequence: held.sequence + 1, now: Date.now() });
    const renewal = renewals.find(({ authority }) => authority.code === code);
    if (renewal !== undefined) await upload(tools, configuration, renewal, log);
  }
}

/** The dataset to demonstrate with, made only if there never was one, or its creation was interrupted. */
async function ensureDataset(tools: Tools, { REDIS_URL }: Configuration): Promise<void> {
  const { administrator, anchor } = tools;
  const anchored = anchor.dataset();
  if (anchored?.kind === 'live') {
    throw new NoDemo(DEMO.live);
  }
  // The store verifier reports what is wrong with the store of an existing dataset; nothing is rebuilt.
  const held = await administrator.dataset();
  if (anchored !== undefined || (held !== undefined && held.id !== anchor.creating())) return;
  if (REDIS_URL !== undefined && held === undefined && !(await administrator.isEmpty())) {
    throw new NoDemo(DEMO.otherData);
  }
  await administrator.createDataset('demo', userInfo().username);
}

export type Demo = {
  /** To be given to the service's start. */
  prepare: (tools: Tools) => Promise<void>;
  /** Writes the address and a new token for each persona, and returns where. */
  publish: (baseUrl: string) => Promise<string>;
  stop: () => void;
};

/**
 * A synthetic sample in a demo dataset, loaded by the real loader and kept up to date for as long as the
 * process runs.
 */
export function createDemo(configuration: Configuration, log: Log): Demo {
  let renewing: NodeJS.Timeout | undefined;
  return {
    async prepare(tools) {
      await ensureDataset(tools, configuration);
      await tools.verifier.look();
      if (!tools.verifier.state.opened) return;
      await loadSample(tools, configuration, log);
      await renewSample(tools, configuration, log);
      renewing = setInterval(() => {
        renewSample(tools, configuration, log).catch((error: unknown) =>
          log.warn('The sample could not be renewed.', errorFields(error)),
        );
      }, LOOKED_AT_EVERY_MS).unref();
    },
    async publish(baseUrl) {
      const issuer = await openDemoIssuer(configuration.DATA_DIR);
      const [authority] = SAMPLE_AUTHORITIES;
      if (authority === undefined) throw new NoDemo(DEMO.noAuthority);
      const tokens: Record<string, string> = {};
      const personas = demoPersonas({ code: authority.code, name: authority.name });
      for (const [persona, claims] of Object.entries(personas)) {
        tokens[persona] = await issuer.sign(claims, TOKEN_LIFETIME_SECONDS);
      }
      const path = demoFile(configuration);
      await writePrivate(path, `${JSON.stringify({ baseUrl, tokens }, null, 2)}\n`);
      return path;
    },
    stop: () => clearInterval(renewing),
  };
}
