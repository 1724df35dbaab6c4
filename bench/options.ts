import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** The options of a program; with `--help` it prints that instead, and ends. */
export function readOptions<const Options extends ParseArgsOptionsConfig>(
  help: string,
  options: Options,
) {
  const { values } = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
  if (values['help'] === true) {
    console.log(help);
    process.exit(0);
  }
  return values;
}
