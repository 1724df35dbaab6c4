import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** The options of a program; with `--help` it prints that instead, and ends. */
export function readOptions<const Options extends ParseArgsOptionsConfig>(
  help: string,
  options: Options,
) {
  if (process.argv.includes('--help')) {
    console.log(help);
    process.exit(0);
  }
  return parseArgs({ options }).values;
}
