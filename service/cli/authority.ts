import { userInfo } from 'node:os';
import type { z } from 'zod';
import { odsCodeSchema, phoneSchema, shortTextSchema } from '#schemas/authority.ts';
import type { Configuration } from '#schemas/configuration.ts';
import { Failure, misused } from './failure.ts';
import { requireSameDataset, runningRedis, withStore } from './store.ts';

export type AuthorityOptions = { name?: string; office?: string; emergency?: string };

function read<S extends z.ZodType>(what: string, schema: S, text: string): z.output<S> {
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw misused(`${what} ${parsed.error.issues[0]?.message}.`);
}

/** `cp-flags authority set`: adds an authority or changes its name and telephone numbers. */
export async function setAuthority(
  configuration: Configuration,
  codeText: string,
  { name, office, emergency }: AuthorityOptions,
): Promise<void> {
  const code = read('CODE', odsCodeSchema, codeText);
  const details = {
    ...(name !== undefined && { name: read('--name', shortTextSchema, name) }),
    ...(office !== undefined && { officeHoursPhone: read('--office', phoneSchema, office) }),
    ...(emergency !== undefined && {
      emergencyDutyTeamPhone: read('--emergency', phoneSchema, emergency),
    }),
  };
  if (Object.keys(details).length === 0) {
    throw misused('Nothing to set: give --name, --office or --emergency.');
  }
  const redis = await runningRedis(configuration);
  await withStore(configuration, redis, 'loader', async (store, anchor) => {
    await requireSameDataset(store, anchor);
    const known = await store.authority(code);
    if (known === undefined && (name === undefined || emergency === undefined)) {
      throw new Failure(
        `Authority ${code} is not known here yet: give its --name and its --emergency duty team number.`,
      );
    }
    const done = await store.setAuthority(code, details, userInfo().username);
    const held = await store.authority(code);
    const phones = [
      `emergency duty team ${held?.emergencyDutyTeamPhone}`,
      ...(held?.officeHoursPhone === undefined ? [] : [`office hours ${held.officeHoursPhone}`]),
    ];
    console.log(`Authority ${code} ${done}: ${held?.name}; ${phones.join('; ')}.`);
  });
}
