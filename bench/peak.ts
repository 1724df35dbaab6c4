/** Loaded beside a program by `--import`: leaves its peak memory, in KiB, in the file PEAK_FILE names. */
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const file = process.env['PEAK_FILE'];
  if (file !== undefined) writeFileSync(file, String(process.resourceUsage().maxRSS));
});
