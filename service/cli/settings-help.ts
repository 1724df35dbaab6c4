import type { Configuration } from '#schemas/configuration.ts';
import { describedSettings } from '../description/settings-table.ts';

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
 * Settings with their defaults and meanings, from the configuration's own schema, as part of a command's
 * help. A terminal cannot follow links, so the file of a page is shown beside its name.
 *
 * @param names default: all of them
 */
export function settingsHelp(names?: readonly (keyof Configuration)[]): string {
  const entries = describedSettings()
    .filter(({ name }) => names === undefined || names.includes(name))
    .map(({ name, standard, meaning }) => {
      const shown = standard === undefined ? '' : ` (${standard})`;
      return `  ${name}${shown}\n${wrapped(meaning.replaceAll(/\[([^\]]+)\]\(\.\.\/([^)#]+)[^)]*\)/g, '$1 (docs/$2)'))}`;
    });
  return `Settings (environment):\n${entries.join('\n')}\n`;
}
