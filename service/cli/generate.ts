import type { Command } from 'commander';
import type { GenerateCommandOptions } from './write-country.ts';

/** Declares `cp-flags generate`. The code that makes people up is loaded only if it is used. */
export function addGenerateCommand(program: Command): void {
  program
    .command('generate')
    .description('Write a made-up England: uploads for trying, testing and measuring.')
    .requiredOption('--out <folder>', 'a new or empty folder to write to')
    .option('--seed <number>', 'the same seed and options write the same bytes', '1')
    .option('--authorities <count>', 'local authorities', '153')
    .option('--plans <count>', 'plans in their first files together', '230000')
    .option('--format <format>', 'xml, csv, or both: every other authority sends XML', 'both')
    .option('--bad-rate <share>', 'share of deliberately wrong records, each with one fault', '0')
    .option(
      '--date <day>',
      'day of the newest files, such as 27/11/2026 or 2026-11-27 (default: today in London)',
    )
    .option('--deltas <days>', 'days of changes after the first files', '0')
    .option('--changes <share>', 'share of the records that a day changes', '0.01')
    .option('--numbers <range>', 'test: 999 numbers; wide: others that begin with 9', 'test')
    .option('--register', 'also write register.csv, for tracing these people')
    .addHelpText(
      'after',
      `
Everything is made up, including names, which the service drops. Files are in a folder for each day, to be
loaded in that order, and need no options. Run authorities.sh first: a CSV has no telephone numbers. manifest.json
lists every wrong record with the code and field that the acknowledgement must name. In register.csv, for
TRACING_REGISTER_FILE, the same share of people is superseded, inactive, unknown, sensitive or somebody else; the
manifest lists those records too.

The range kept for tests has 899,901 numbers. --numbers wide is for load tests beyond that, and never for
a store that answers real lookups.

Examples:
  cp-flags generate --out england
  cp-flags generate --out small --authorities 3 --plans 600 --deltas 7 --bad-rate 0.02
  cp-flags generate --out large --plans 5000000 --numbers wide --format csv
  sh england/authorities.sh && cp-flags load --ack acks/ england/*/*.xml england/*/*.csv
`,
    )
    .action(async (options: GenerateCommandOptions) => {
      const { generate } = await import('./write-country.ts');
      generate(options);
    });
}
