import { readFileSync } from 'node:fs';
import { cpuMicroseconds } from './processes.ts';

/** What processes used in one second: their share of a processor, and their resident memory. */
export type Used = { at: number; cpu: Record<string, number>; residentMib: Record<string, number> };

const EVERY_MS = 1_000;

function residentMib(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib ?? 0) / 1024;
}

/** Looks at processes each second. They may change. The times given count from `startedAt`. */
export function sampleProcesses(pids: () => Promise<Record<string, number>>) {
  const used: Used[] = [];
  const startedAt = Date.now();
  let last = new Map<number, number>();
  let lastAt = performance.now();

  async function look(): Promise<void> {
    const now = new Map<number, number>();
    const at = performance.now();
    const sample: Used = { at: (Date.now() - startedAt) / 1000, cpu: {}, residentMib: {} };
    for (const [name, pid] of Object.entries(await pids())) {
      try {
        const cpu = cpuMicroseconds(pid);
        now.set(pid, cpu);
        sample.residentMib[name] = residentMib(pid);
        const before = last.get(pid);
        if (before !== undefined) sample.cpu[name] = (cpu - before) / 1000 / (at - lastAt);
      } catch {
        // It has ended.
      }
    }
    last = now;
    lastAt = at;
    if (used.length > 0 || Object.keys(sample.cpu).length > 0) used.push(sample);
  }

  void look();
  const timer = setInterval(() => void look(), EVERY_MS);
  return {
    startedAt,
    stop(): Used[] {
      clearInterval(timer);
      return used;
    },
  };
}
