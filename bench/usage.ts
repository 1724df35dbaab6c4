/** Loaded beside a program by `--import`: leaves what it used, as JSON, in the file that USAGE_FILE names. */
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const file = process.env['USAGE_FILE'];
  if (file === undefined) return;
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const usage = { peakMib: maxRSS / 1024, cpuMs: (userCPUTime + systemCPUTime) / 1000 };
  writeFileSync(file, JSON.stringify(usage));
});
