import { join } from 'node:path';
import type { Configuration } from '#schemas/configuration.ts';
import { Anchor } from '#store/anchor.ts';

/** Where things lie in the data folder, for every process that works on it. */

type Place = Pick<Configuration, 'DATA_DIR'>;

/** The anchor: what the store should hold. Several processes may have it open. */
export const openAnchor = ({
  DATA_DIR,
  ANCHOR_DIR = join(DATA_DIR, 'anchor'),
}: Pick<Configuration, 'DATA_DIR' | 'ANCHOR_DIR'>): Anchor => Anchor.open(ANCHOR_DIR);

/** Spools of loads under way. */
export const spoolFolder = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'spool');

/** The key of the hashes under which invalid NHS numbers are audited. */
export const numberKeyFile = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'number-hash.key');

/** Address and tokens of a demo, for those who try it. */
export const demoFile = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'demo.json');
