import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { ConfigurationError } from '#schemas/configuration.ts';

/** @throws {ConfigurationError} one sentence that names the setting, the file and what is wrong */
export async function readSettingFile<T>(
  setting: string,
  path: string,
  schema: z.ZodType<T>,
): Promise<T> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    throw new ConfigurationError(`${setting}: ${path} ${why}.`);
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ConfigurationError(
    `${setting}: ${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}.`,
  );
}
