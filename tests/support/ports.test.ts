import { expect, test } from 'vitest';
import { freePort } from './ports.ts';

test('no port is given out twice, for two programs to take', async () => {
  const ports: number[] = [];
  for (let i = 0; i < 600; i++) ports.push(await freePort());
  expect(new Set(ports).size).toBe(600);
});
