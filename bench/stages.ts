import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { HeapProfiler } from 'node:inspector';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string() }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

/** The innermost frame described here decides to which stage a sample belongs: function and address. */
const STAGES: readonly [stage: string, frame: RegExp][] = [
  ['garbage collected', /^\(garbage collector\)/],
  ['answer written', /^(end|writeHead|_send\w*) node:_http_outgoing|^resOnFinish/],
  ['command to Redis', /^(send|flush) .*store\/lookup\.ts|ioredis\/built\/(Redis|Command)\.js/],
  ['reply of Redis', /ioredis\/built\/(DataHandler|resp)/],
  ['reply judged', /^(readResult|readPlan|namesUnknownAuthority) .*store\/lookup\.ts/],
  ['token, role, organisation, limits', /service\/admission\//],
  ['body read', /service\/http\/body\.ts|^flow node:internal\/streams/],
  ['JSON and schema', /service\/(lookup\/request|http\/json-(body|members))\.ts/],
  ['check and event', /service\/lookup\/(lookup|event)\.ts/],
  ['answer put into words', /service\/lookup\/(answer|coverage)\.ts/],
  ['measured', /service\/telemetry\//],
  ['router', /\/hono\/|\/@hono\//],
  ['request parsed and made', /node:_http_(common|incoming|server)/],
  ['other work of ours', /\/(service|store|schemas)\//],
];
const NOT_A_REQUEST = /^\((idle|program)\)|node:internal\/modules|^compileSourceTextModule/;

/** Each stage's share of the time in which there was something to do, from 0 to 1, by the profiles in a folder. */
export function stageShares(folder: string): Map<string, number> {
  const shares = new Map<string, number>();
  let whole = 0;
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.cpuprofile'))) {
    const { nodes, samples, timeDeltas } = profileSchema.parse(
      JSON.parse(readFileSync(join(folder, name), 'utf8')),
    );
    const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((c) => [c, id])));
    const frames = new Map(
      nodes.map(({ id, callFrame: { functionName, url } }) => [id, `${functionName} ${url}`]),
    );
    for (const [i, sample] of samples.entries()) {
      const stack: string[] = [];
      for (let at: number | undefined = sample; at !== undefined; at = parents.get(at)) {
        stack.push(frames.get(at) ?? '');
      }
      if (stack.some((frame) => NOT_A_REQUEST.test(frame))) continue;
      const stage =
        stack.map((frame) => STAGES.find(([, of]) => of.test(frame))?.[0]).find(Boolean) ??
        'timers, promises, sockets';
      const time = timeDeltas[i] ?? 0;
      whole += time;
      shares.set(stage, (shares.get(stage) ?? 0) + time);
    }
  }
  return new Map(
    [...shares]
      .map(([stage, time]): [string, number] => [stage, time / whole])
      .toSorted((a, b) => b[1] - a[1]),
  );
}

const FUNCTIONS_SHOWN = 40;

/**
 * Reads a profile that `allocations.ts` is about to leave, and removes it: all bytes, and those of the functions that
 * allocate most.
 */
export async function allocatedBytes(
  file: string,
): Promise<{ bytes: number; byFunction: [name: string, bytes: number][] }> {
  while (!existsSync(file)) await delay(50);
  const { head } = JSON.parse(readFileSync(file, 'utf8')) as HeapProfiler.SamplingHeapProfile;
  rmSync(file);
  const byFunction = new Map<string, number>();
  let bytes = 0;
  const add = ({ callFrame, selfSize, children }: HeapProfiler.SamplingHeapProfileNode): void => {
    const { functionName, url, lineNumber } = callFrame;
    const name = `${functionName} ${basename(url)}:${lineNumber + 1}`;
    byFunction.set(name, (byFunction.get(name) ?? 0) + selfSize);
    bytes += selfSize;
    children.forEach(add);
  };
  add(head);
  const most = [...byFunction].toSorted((a, b) => b[1] - a[1]).slice(0, FUNCTIONS_SHOWN);
  return { bytes, byFunction: most };
}
