import { join } from 'node:path';
import type { Configuration } from '#schemas/configuration.ts';
import { Anchor } from '#store/trust/anchor.ts';

/** Where things are in the data folder, for every process that works on it. */

type Place = Pick<Configuration, 'DATA_DIR'>;

/** The anchor: what the store should hold. Several processes may have it open. */
type AnchorPlace = Pick<Configuration, 'DATA_DIR' | 'ANCHOR_DIR'>;
export const anchorFolder = ({ DATA_DIR, ANCHOR_DIR }: AnchorPlace): string =>
  ANCHOR_DIR ?? join(DATA_DIR, 'anchor');
export const openAnchor = (place: AnchorPlace): Anchor => Anchor.open(anchorFolder(place));

/** The sealed audit log. */
export const auditFolder = ({
  DATA_DIR,
  AUDIT_DIR,
}: Place & Pick<Configuration, 'AUDIT_DIR'>): string => AUDIT_DIR ?? join(DATA_DIR, 'audit');

/** The index of that log, which can be rebuilt from it at any time. */
export const auditIndexFile = ({ DATA_DIR }: Place): string =>
  join(DATA_DIR, 'audit-index', 'index.sqlite');

/** The result of the last verification of the whole log that was started on a page. */
export const auditVerificationFile = ({ DATA_DIR }: Place): string =>
  join(DATA_DIR, 'audit-verification.json');

/** Cases on accesses, with their notes. Unlike the index it cannot be rebuilt: back it up. */
export const auditCasesFile = ({ DATA_DIR }: Place): string =>
  join(DATA_DIR, 'audit-cases', 'cases.sqlite');

/** The key that signs it. */
export const auditKeyFile = ({
  DATA_DIR,
  AUDIT_KEY_FILE,
}: Place & Pick<Configuration, 'AUDIT_KEY_FILE'>): string =>
  AUDIT_KEY_FILE ?? join(DATA_DIR, 'audit-key');

/** The lease under which a worker last used this folder, if the audit log has a second copy. */
export const workerFile = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'worker.json');

/** What was last put into the second copy from this folder. */
export const stateCopyFile = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'state-copy.json');

/** What an earlier worker left in the second copy that has no place in this folder. */
export const carriedStateFile = ({ DATA_DIR }: Place): string =>
  join(DATA_DIR, 'state-carried.json');

/** Events that are not answers, while Redis is away. */
export const auditSpoolFolder = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'audit-spool');

/** Spools of loads under way. */
export const spoolFolder = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'spool');

/** Uploads from pages, until their senders have seen the preview and sent or deleted them. */
export const previewsFolder = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'previews');

/** Differences between case systems and holdings, while somebody looks at them. */
export const comparisonsFolder = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'comparisons');

/** Who was verified in PDS, by keyed digest, and when. May be removed: then everybody is verified again. */
export const tracingMemoryFile = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'tracing.sqlite');

/** Notices of inactive NHS numbers, until they are given to their authorities. */
export const noticesFolder = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'notices');

/** Final acknowledgements of `cp-flags load` files that waited to be traced, until they are given out. */
export const acknowledgementsFolder = ({ DATA_DIR }: Place): string =>
  join(DATA_DIR, 'acknowledgements');

/** The key of the hashes under which invalid NHS numbers are audited. */
export const numberKeyFile = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'number-hash.key');

/** The keys of browser sessions. */
export const sessionKeysFile = ({
  DATA_DIR,
  SESSION_KEYS_FILE,
}: Place & Pick<Configuration, 'SESSION_KEYS_FILE'>): string =>
  SESSION_KEYS_FILE ?? join(DATA_DIR, 'session-keys');

/** Councils' duty numbers as last known, for when the store cannot be reached. */
export const councilsFile = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'councils.json');

/** Alerts for the privacy officer of the operating organisation, until they are collected. */
export const privacyOutbox = ({
  DATA_DIR,
  PRIVACY_OUTBOX,
}: Place & Pick<Configuration, 'PRIVACY_OUTBOX'>): string =>
  PRIVACY_OUTBOX ?? join(DATA_DIR, 'privacy-officer');

/** Received and sent messages of our MESH mailbox. */
export const meshFolder = ({ DATA_DIR }: Place, mailbox: string): string =>
  join(DATA_DIR, 'mesh', mailbox);

/** Which dataset a lookup process served. */
export const servedDatasetFile = ({ DATA_DIR }: Place): string =>
  join(DATA_DIR, 'served-dataset.json');

/** Address and tokens of a demo, for those who try it. */
export const demoFile = ({ DATA_DIR }: Place): string => join(DATA_DIR, 'demo.json');
