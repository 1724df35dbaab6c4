import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { createForms, readForm } from '#service/pages/session/forms.ts';
import { openSealer } from '#service/pages/session/seal.ts';
import { testFolder } from '../../support/service.ts';

const newKey = (): string => randomBytes(32).toString('hex');

/** A sealer by these keys, of which the first is put first in the file. */
async function sealerBy(...keys: string[]) {
  const path = `${await testFolder()}/session-keys`;
  await writeFile(path, keys.join('\n'), { mode: 0o600 });
  const options = { everyMs: 60_000, onProblem: () => undefined };
  const sealer = await openSealer(path, false, options);
  onTestFinished(sealer.stop);
  return sealer;
}

test('the token of a form counts for no other form, for nobody else and for no other time', async () => {
  const forms = createForms(await sealerBy(newKey()), () => []);
  const of = { form: '/look-up', owner: 'session-1', once: '1' };
  const token = forms.token(of);
  expect(forms.isToken(token, of)).toBe(true);
  for (const other of [{ form: '/sign-out' }, { owner: 'session-2' }, { once: '2' }]) {
    expect(forms.isToken(token, { ...of, ...other })).toBe(false);
  }
});

test('while a new key is first and the old one second, what either sealed still counts', async () => {
  const [old, next] = [newKey(), newKey()];
  const before = await sealerBy(old);
  const [sealed, signed] = [before.seal('session', 'Nora'), before.sign('form')];
  const both = await sealerBy(next, old);
  expect([both.open('session', sealed), both.isSigned('form', signed)]).toEqual(['Nora', true]);
  const after = await sealerBy(next);
  expect([after.open('session', sealed), after.isSigned('form', signed)]).toEqual([
    undefined,
    false,
  ]);
  expect(after.open('session', both.seal('session', 'Nora'))).toBe('Nora');
});

test('a form with two content types is not read, since a proxy may believe the other', async () => {
  const type = 'application/x-www-form-urlencoded';
  const incoming = {
    headers: { 'content-type': type },
    rawHeaders: ['Content-Type', type, 'content-type', 'text/plain'],
  } as unknown as IncomingMessage;
  expect(await readForm({ incoming, outgoing: {} as ServerResponse })).toBe('form-untrusted');
});
