import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

type WriteSettingFile = (name: string, content: unknown) => Promise<string>;

/** Writes files named by settings into a folder, text as it is and anything else as JSON. Returns the path. */
export const settingFiles =
  (folder: () => string): WriteSettingFile =>
  async (name, content) => {
    const path = join(folder(), name);
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };

/** An entry for an issuer that the test itself plays, with its keys in `jwks.json` unless told otherwise. */
export const liveIssuer = (issuer: string, differing: object = { jwksFile: 'jwks.json' }) => ({
  issuer,
  audience: 'flags',
  algorithms: ['ES256'],
  ...differing,
});

type LiveFiles = {
  organisations: { code: string; name: string; setting: string }[];
  /** The only person in the register: Ada Example, born on 5 March 2019. */
  child: string;
};

/** The settings that a service for live data requires, besides its issuers, with their files in a test's folder. */
export const liveSettings = async (
  write: WriteSettingFile,
  { organisations, child }: LiveFiles,
) => ({
  ORGANISATIONS_FILE: await write('organisations.json', organisations),
  MINIMUM_COVERAGE: '1',
  MINIMUM_COVERAGE_ACCEPTED_BY: 'C. Officer',
  TRACING: 'register',
  TRACING_REGISTER_FILE: await write(
    'register.csv',
    `nhs_number,status,replaced_by,date_of_birth,given_name,family_name\n${child},,,2019-03-05,Ada,Example\n`,
  ),
});
