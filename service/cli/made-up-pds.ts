import type { Command } from 'commander';

/** Declares `cp-flags made-up-pds`. The code that makes people up is loaded only if it is used. */
export function addMadeUpPdsCommand(program: Command): void {
  program
    .command('made-up-pds')
    .description('Serve a made-up PDS on this machine, to rehearse tracing without an NHS account.')
    .requiredOption(
      '--register <file>',
      'the people that it knows, as written by cp-flags generate --register',
    )
    .requiredOption('--out <folder>', 'where the key and the settings go')
    .option('--port <number>', 'the port to listen on', '18090')
    .addHelpText(
      'after',
      `
It listens on 127.0.0.1 and checks what the real PDS checks: the signed assertion, the token, the headers. It
writes pds.env, with the settings that the service needs to trace with it. While it is stopped (Ctrl-C), PDS is
away, and records wait to be traced.

Example:
  cp-flags made-up-pds --register small/register.csv --out pds
  env $(cat pds/pds.env) npx cp-flags load small/*/*.xml
`,
    )
    .action(async (options: { register: string; out: string; port: string }) => {
      const { serveMadeUpPds } = await import('./serve-made-up-pds.ts');
      await serveMadeUpPds(options);
    });
}
