import { z } from 'zod';
import { type Configuration, configurationSchema } from '#schemas/configuration.ts';

const WIDTH = 110;
const INDENT = '      ';

/** Breaks a text into indented lines at its spaces. */
function wrapped(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1)}${lines.at(-1) === '' ? INDENT : ' '}${word}`;
    if (line.length <= WIDTH || lines.at(-1) === '') lines[lines.length - 1] = line;
    else lines.push(INDENT + word);
  }
  return lines.join('\n');
}

/**
 * Settings with their defaults and what they are, from the configuration's own schema, as a part of a
 * command's help.
 *
 * @param names default: all there are
 */
export function settingsHelp(names?: readonly (keyof Configuration)[]): string {
  const { shape } = configurationSchema;
  const { properties = {} } = z.toJSONSchema(configurationSchema, {
    io: 'input',
    unrepresentable: 'any',
  });
  const entries = (names ?? configurationSchema.keyof().options).map((name) => {
    const property = properties[name];
    const asRead: unknown = shape[name].safeParse(undefined).data;
    // Of a path the text that is written, and not the place that it means here.
    const text = typeof property === 'object' ? property.default : undefined;
    const standard = text ?? (typeof asRead === 'number' ? asRead : undefined);
    const shown =
      standard === undefined ? '' : ` (${JSON.stringify(standard).replaceAll('"', '')})`;
    return `  ${name}${shown}\n${wrapped(shape[name].description ?? '')}`;
  });
  return `Settings (environment):\n${entries.join('\n')}\n`;
}
