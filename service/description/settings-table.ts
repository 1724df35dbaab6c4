import { z } from 'zod';
import { type Configuration, configurationSchema } from '#schemas/configuration.ts';

type SettingDescribed = {
  name: keyof Configuration;
  standard: string | undefined;
  meaning: string;
};

/** Every setting with its default, as written, and its meaning, from the configuration's own schema. */
export function describedSettings(): SettingDescribed[] {
  const { shape } = configurationSchema;
  const { properties = {} } = z.toJSONSchema(configurationSchema, {
    io: 'input',
    unrepresentable: 'any',
  });
  return configurationSchema.keyof().options.map((name) => {
    const property = properties[name];
    const asRead: unknown = shape[name].safeParse(undefined).data;
    // For a path, the text as written, and not the place that it resolves to here.
    const text = typeof property === 'object' ? property.default : undefined;
    const standard = text ?? (typeof asRead === 'number' ? asRead : undefined);
    return {
      name,
      standard: standard === undefined ? undefined : JSON.stringify(standard).replaceAll('"', ''),
      meaning: shape[name].description ?? '',
    };
  });
}

/** Every setting as a table in Markdown, for the documentation. */
export function settingsTable(): string {
  const rows = describedSettings().map(({ name, standard, meaning }) => {
    const shown = standard === undefined ? '' : `\`${standard}\``;
    return `| \`${name}\` | ${shown} | ${meaning.replaceAll('|', '\\|')} |`;
  });
  return ['| setting | default | meaning |', '|---|---|---|', ...rows].join('\n');
}
