import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { ConfigurationError } from '#schemas/configuration.ts';
import { parseJson } from '#schemas/json.ts';
import { errorCode } from '../telemetry/log.ts';

/** The text of a file named by a setting. @throws {ConfigurationError} one sentence that names both */
export async function readSettingText(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`${setting}: ${path} cannot be read (${errorCode(error)}).`);
  }
}

/** @throws {ConfigurationError} one sentence that names the setting, the file and what is wrong */
export async function readSettingFile<T>(
  setting: string,
  path: string,
  schema: z.ZodType<T>,
): Promise<T> {
  const text = await readSettingText(setting, path);
  const content = parseJson(text);
  if (content === undefined) throw new ConfigurationError(`${setting}: ${path} is not JSON.`);
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  // Of a wrong name of a member, zod itself says only that it is one.
  const wrong = issue?.code === 'invalid_key' ? issue.issues[0]?.message : issue?.message;
  throw new ConfigurationError(
    `${setting}: ${path}: ${issue?.path.join('.') || 'the file'}: ${wrong}.`,
  );
}
