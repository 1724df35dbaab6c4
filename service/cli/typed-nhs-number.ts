import { createInterface } from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import { type NhsNumber, parseNhsNumber, typedNhsNumber } from '#schemas/nhs-number.ts';
import { wrongNhsNumber } from '#schemas/wording/nhs-number.ts';
import { misused } from './failure.ts';

/** An NHS number from standard input, prompted for on a terminal. Never from an argument: `ps` shows those. */
export async function readNhsNumber(option: string): Promise<string> {
  if (option !== '-') {
    throw misused(
      'Every user of this machine can see the arguments of a command, so do not put an NHS number there. Write --child - and type the number when asked, or send it on standard input.',
    );
  }
  if (!process.stdin.isTTY) return typedNhsNumber(await readAll(process.stdin));
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return typedNhsNumber(await terminal.question('NHS number: '));
  } finally {
    terminal.close();
  }
}

/** The child that a command is about. @throws {Failure} if none is given, or it is not an NHS number */
export async function readChild(option: string | undefined): Promise<NhsNumber> {
  if (option === undefined) throw misused('Say about whom: --child -');
  const typed = await readNhsNumber(option);
  const child = parseNhsNumber(typed);
  if (child === undefined) throw misused(`${wrongNhsNumber(typed)}.`);
  return child;
}
