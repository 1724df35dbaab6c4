// One file, since it is one pass over the log that keeps count.

import { join } from 'node:path';
import { operatorEventSchema } from '#schemas/audit/audit-event.ts';
import { parseJson } from '#schemas/json.ts';
import { ENTRY_DIFFERS, LOG_FINDINGS } from '#schemas/wording/audit.ts';
import { auditPartitions } from '#store/keys.ts';
import { isSystem, placeOf, streamName } from '../log/entry.ts';
import { readIfThere, readResource, tilesOf } from '../log/log-folder.ts';
import { scanBundle } from '../tlog/bundle.ts';
import { HASH_BYTES, type Hash, leafHashInPlace } from '../tlog/hash.ts';
import { hashesAt, hashesOfTile, TILE_WIDTH, tilePath, widthOf } from '../tlog/tiles.ts';
import { Edge, fold } from '../tlog/tree.ts';
import { differences } from './differences.ts';

/** What is wrong with a log, and where. */
export type Finding = {
  kind:
    | 'checkpoint-missing'
    | 'checkpoint-invalid'
    | 'rolled-back'
    | 'forked'
    | 'not-compared'
    | 'not-witnessed'
    | 'stale-checkpoint'
    | 'too-old'
    | 'truncated'
    | 'entries-missing'
    | 'entry-deleted'
    | 'entry-inserted'
    | 'entry-changed'
    | 'entries-reordered'
    | 'bundle-damaged'
    | 'tile-missing'
    | 'tile-changed'
    | 'numbers-missing'
    | 'number-repeated'
    | 'entry-unreadable'
    | 'root-differs';
  /** A sentence; never an NHS number. */
  detail: string;
  /** The first entry affected. */
  entry?: number;
  /** The file affected, below the log's folder. */
  path?: string;
};

/** Numbers missing from a partition. */
type Gap = { stream: number; from: number; to: number; entry: number };

const FINDINGS_AT_MOST = 1_000;
/** Takes the place of a missing entry in the tree. */
const NOTHING: Hash = '\0'.repeat(HASH_BYTES);
const AUDIT_ID = /"auditId":"([0-9a-f-]{36})"/;
const AUDIT_ACT = Buffer.from('"type":"audit-');

/** An act that somebody has answered for, which explains what would otherwise be a finding. */
export type Explanation = { by: string; detail: string };

type Pruning = { minimumIndex: number; numbers: number[] | undefined };

/** Which event an entry says it is, in brackets; nothing if it does not say. */
function nowSays(bundle: Buffer, position: number): string {
  let says = '';
  scanBundle(bundle, (from, to, at) => {
    const place = at === position ? placeOf(bundle, from, to) : undefined;
    if (place === undefined) return;
    const auditId = AUDIT_ID.exec(bundle.toString('utf8', from, to))?.[1];
    const named = auditId === undefined ? '' : `, auditId ${auditId}`;
    says = ` (it calls itself event ${place.number} of ${streamName(place.stream)}${named})`;
  });
  return says;
}

/**
 * Reads a log's entries from one on, bundle by bundle, and compares them with its tiles, the tiles with each
 * other, and the tree with the root that was signed. Memory stays the same however long the log is.
 */
export class LogScan {
  readonly #folder: string;
  readonly #size: number;
  readonly #root: Hash;
  readonly #start: number;
  readonly #continued: boolean;
  readonly #edge: Edge;
  readonly #watched: number[];
  readonly #roots = new Map<number, Hash>();
  /** The last number seen in each stream; `undefined` if none was and the earlier ones are unknown. */
  readonly #numbers: (number | undefined)[];
  readonly #firstNumbers: (number | undefined)[] = [];
  readonly #gaps: Gap[] = [];
  readonly #accepted: (Gap & { by: string; reason: string })[] = [];
  readonly #prunings: Pruning[] = [];
  #missingFrom: number | undefined;
  /** If all entries have moved by one from a bundle on: what its neighbour should begin with. */
  #moved: Hash | undefined;
  #bytes = 0;
  #newest = 0;
  readonly #latest: number;
  readonly findings: Finding[] = [];
  readonly explained: Explanation[] = [];
  /** Findings beyond those listed. */
  more = 0;

  /**
   * @param options.start a multiple of 256, with everything before it taken from the tiles
   * @param options.numbers the last number of each stream before `start`; if absent: none if `start` is 0,
   * otherwise unknown
   * @param options.accepted gaps that somebody has answered for, besides those the log itself reports
   * @param options.latest milliseconds: an event dated later does not count as the latest
   * @param options.watched sizes for which the tree's root is wanted, each above `start`
   * @throws {ResourceMissing} if the tiles for the entries before `start` cannot be read
   */
  constructor(options: {
    folder: string;
    size: number;
    root: Hash;
    start?: number;
    numbers?: readonly (number | undefined)[];
    watched?: readonly number[];
    accepted?: readonly { stream: number; sealed: number; found: number }[];
    latest?: number;
  }) {
    const { folder, size, root, start = 0, numbers, watched = [], accepted = [] } = options;
    this.#latest = options.latest ?? Number.POSITIVE_INFINITY;
    this.#folder = folder;
    this.#size = size;
    this.#root = root;
    this.#start = start;
    this.#continued = numbers !== undefined;
    this.#edge = Edge.read(start, size, tilesOf(folder));
    this.#watched = [...new Set(watched)].filter((at) => at > start && at <= size);
    this.#watched.sort((a, b) => a - b);
    for (const { stream, sealed, found } of accepted) {
      const gap = { stream, from: sealed + 1, to: found - 1 };
      this.#accepted.push({ ...gap, entry: -1, by: 'operator', reason: '' });
    }
    this.#numbers = numbers
      ? [...numbers]
      : Array<number | undefined>(auditPartitions.length).fill(start === 0 ? 0 : undefined);
  }

  #find(finding: Finding): void {
    if (this.findings.length < FINDINGS_AT_MOST) this.findings.push(finding);
    else this.more++;
  }

  /** Entries read so far, from the first one on. */
  get position(): number {
    return this.#edge.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Milliseconds: the latest event read. */
  get newest(): number {
    return this.#newest;
  }

  /** The last number of each stream, as far as was read. */
  get numbers(): readonly (number | undefined)[] {
    return this.#numbers;
  }

  /** Once everything is read: whether the hashes lead to the signed root. */
  get leadsToRoot(): boolean {
    return this.#edge.root() === this.#root;
  }

  /** The tree's root at a watched size. */
  rootAt(size: number): Hash | undefined {
    return this.#roots.get(size);
  }

  #read(index: number, width: number): { bundle: Buffer; whole: boolean } | undefined {
    const exact = readIfThere(join(this.#folder, tilePath('entries', index, width)));
    if (exact !== undefined) return { bundle: exact, whole: true };
    if (width === TILE_WIDTH) return undefined;
    const full = readIfThere(join(this.#folder, tilePath('entries', index)));
    return full && { bundle: full, whole: false };
  }

  /** Reads and compares one bundle; false if there is no further one. */
  next(): boolean {
    const first = this.#edge.size;
    if (first >= this.#size) return false;
    const index = first / TILE_WIDTH;
    const width = widthOf('entries', index, this.#size);
    const path = tilePath('entries', index, width);
    const tile = this.#readTile(0, index, width);
    const read = this.#read(index, width);
    if (read === undefined) {
      this.#missingFrom ??= first;
      for (let i = 0; i < width; i++) this.#append(tile?.[i] ?? NOTHING);
      return true;
    }
    this.#endMissing(first);

    const hashes: Hash[] = [];
    const sound = scanBundle(read.bundle, (from, to, position) => {
      if (position >= width && !read.whole) return;
      // Before the hash, which uses the entry's bytes.
      this.#look(read.bundle, from, to, first + position);
      hashes.push(leafHashInPlace(read.bundle, from, to));
    });
    this.#bytes += read.bundle.length;
    if (!sound) {
      this.#find({
        kind: 'bundle-damaged',
        detail: LOG_FINDINGS.bundleDamaged(path, first + hashes.length),
        entry: first + hashes.length,
        path,
      });
    }
    if (tile !== undefined && this.#same(tile, hashes)) {
      this.#moved = undefined;
      for (const hash of hashes) this.#append(hash);
      return true;
    }
    const trusted =
      tile === undefined
        ? hashes
        : this.#compare(index, { path, bundle: read.bundle }, tile, hashes);
    for (let i = 0; i < width; i++) this.#append(trusted[i] ?? NOTHING);
    return true;
  }

  #same(tile: readonly Hash[], hashes: readonly Hash[]): boolean {
    return tile.length === hashes.length && tile.every((hash, i) => hash === hashes[i]);
  }

  #readTile(level: number, index: number, width: number): Hash[] | undefined {
    const path = tilePath(level, index, width);
    const tile = readResource(this.#folder, level, index, width);
    if (tile === undefined || tile.length < width * HASH_BYTES) {
      this.#find({
        kind: 'tile-missing',
        detail: LOG_FINDINGS.missingOrCut(path),
        entry: index * TILE_WIDTH ** (level + 1),
        path,
      });
      return undefined;
    }
    return hashesOfTile(tile, width);
  }

  /** Finds how entries differ from their tile, and returns those hashes of the two that the tree agrees with. */
  #compare(
    index: number,
    { path, bundle }: { path: string; bundle: Buffer },
    tile: readonly Hash[],
    hashes: readonly Hash[],
  ): readonly Hash[] {
    const first = index * TILE_WIDTH;
    if (this.#agrees(index, hashes) && !this.#agrees(index, tile)) {
      const tileFile = tilePath(0, index, tile.length);
      this.#find({
        kind: 'tile-changed',
        detail: LOG_FINDINGS.hashesChanged(tileFile, first, first + hashes.length - 1),
        entry: first,
        path: tileFile,
      });
      return hashes;
    }
    // After an earlier bundle lost or gained an entry, the others have only moved.
    const movedOn =
      this.#moved !== undefined && (hashes.at(0) === this.#moved || tile.at(0) === this.#moved);
    const found = differences(tile, hashes);
    for (const { kind, position } of movedOn ? [] : found) {
      const entry = first + position;
      this.#find({
        kind: kind === 'reordered' ? 'entries-reordered' : `entry-${kind}`,
        detail: LOG_FINDINGS.entryDiffers(
          path,
          ENTRY_DIFFERS[kind](entry, kind === 'changed' ? nowSays(bundle, position) : ''),
        ),
        entry,
        path,
      });
    }
    const [only] = found;
    if (only?.kind === 'deleted') this.#moved = hashes.at(-1);
    else if (only?.kind === 'inserted') this.#moved = tile.at(-1);
    else this.#moved = undefined;
    return tile;
  }

  /** Whether the signed tree has these hashes as its tile with this index. */
  #agrees(index: number, hashes: readonly Hash[]): boolean {
    const above = hashesAt(1, this.#size);
    if (index < above) {
      const upper = Math.floor(index / TILE_WIDTH);
      const tile = readResource(this.#folder, 1, upper, widthOf(1, upper, this.#size));
      const position = index % TILE_WIDTH;
      if (hashes.length !== TILE_WIDTH || tile === undefined) return false;
      return hashesOfTile(tile, position + 1)[position] === fold(hashes);
    }
    const tried = this.#edge.copy();
    for (const hash of hashes) tried.append(hash, () => undefined);
    return tried.size === this.#size && tried.root() === this.#root;
  }

  #append(hash: Hash): void {
    this.#edge.append(hash, (level, index, hashes) => {
      if (level > 0) this.#compareTile(level, index, hashes);
    });
    if (this.#edge.size === this.#watched[0]) {
      this.#watched.shift();
      this.#roots.set(this.#edge.size, this.#edge.root());
    }
  }

  #compareTile(level: number, index: number, hashes: readonly Hash[]): void {
    const held = this.#readTile(level, index, hashes.length);
    const differs = held?.findIndex((hash, i) => hash !== hashes[i]) ?? -1;
    if (differs < 0) return;
    const span = TILE_WIDTH ** level;
    const entry = (index * TILE_WIDTH + differs) * span;
    const path = tilePath(level, index, hashes.length);
    this.#find({
      kind: 'tile-changed',
      detail: LOG_FINDINGS.tileDiffers(path, entry, entry + span - 1),
      entry,
      path,
    });
  }

  #endMissing(next: number): void {
    const from = this.#missingFrom;
    if (from === undefined) return;
    this.#missingFrom = undefined;
    const path = tilePath('entries', Math.floor(from / TILE_WIDTH));
    this.#find({
      kind: 'entries-missing',
      detail: LOG_FINDINGS.entriesMissing(from, next - 1, path),
      entry: from,
      path,
    });
  }

  /** The event's number, and what an operator's act explains. */
  #look(bytes: Buffer, from: number, to: number, entry: number): void {
    const place = placeOf(bytes, from, to);
    if (place === undefined) {
      this.#find({
        kind: 'entry-unreadable',
        detail: LOG_FINDINGS.notAnEvent(entry),
        entry,
      });
      return;
    }
    const { stream, number, at } = place;
    if (at > this.#newest && at <= this.#latest) this.#newest = at;
    const last = this.#numbers[stream];
    this.#firstNumbers[stream] ??= number;
    if (last === undefined || number === last + 1) {
      this.#numbers[stream] = number;
    } else if (number > last) {
      this.#gaps.push({ stream, from: last + 1, to: number - 1, entry });
      this.#numbers[stream] = number;
    } else {
      this.#find({
        kind: 'number-repeated',
        detail: LOG_FINDINGS.numberRepeated(entry, number, streamName(stream), last),
        entry,
      });
    }
    if (isSystem(stream) && bytes.subarray(from, to).includes(AUDIT_ACT)) {
      this.#readAct(bytes.toString('utf8', from, to), entry);
    }
  }

  #readAct(json: string, entry: number): void {
    const act = operatorEventSchema.safeParse(parseJson(json));
    if (!act.success) return;
    const { type, by, detail } = act.data;
    if (type === 'audit-pruned') {
      const numbers =
        typeof detail['numbers'] === 'string'
          ? detail['numbers'].split(',').map(Number)
          : undefined;
      this.#prunings.push({ minimumIndex: Number(detail['minimumIndex']), numbers });
    } else if (type === 'audit-gap-accepted') {
      this.#accepted.push({
        stream: Number(detail['stream']),
        from: Number(detail['from']),
        to: Number(detail['to']),
        entry,
        by,
        reason: String(detail['reason']),
      });
    }
  }

  /** Once {@link next} is false: findings about the log as a whole. */
  end(): void {
    if (this.#missingFrom !== undefined) {
      const from = this.#missingFrom;
      this.#find({
        kind: 'truncated',
        detail: LOG_FINDINGS.truncated(from, this.#size - 1),
        entry: from,
        path: tilePath(
          'entries',
          Math.floor(from / TILE_WIDTH),
          widthOf('entries', Math.floor(from / TILE_WIDTH), this.#size),
        ),
      });
    }
    for (let level = 1; level < this.#edge.levels; level++) {
      const hashes = this.#edge.hashes(level);
      const index = Math.floor(hashesAt(level, this.#size) / TILE_WIDTH);
      if (hashes.length > 0) this.#compareTile(level, index, hashes);
    }
    if (!this.leadsToRoot && this.findings.length === 0) {
      this.#find({
        kind: 'root-differs',
        detail: LOG_FINDINGS.rootDiffers(this.#size),
      });
    }
    this.#checkGaps();
    this.#checkStart();
  }

  #checkGaps(): void {
    for (const { stream, from, to, entry } of this.#gaps) {
      const accepted = this.#accepted.find(
        (gap) => gap.stream === stream && gap.from === from && gap.to === to,
      );
      const name = streamName(stream);
      if (accepted === undefined) {
        this.#find({
          kind: 'numbers-missing',
          detail: LOG_FINDINGS.numbersMissing(from, to, name, entry),
          entry,
        });
      } else {
        const detail = LOG_FINDINGS.gapAccepted({ from, to, stream: name, entry }, accepted);
        this.explained.push({ by: accepted.by, detail });
      }
    }
  }

  /** A log that begins after its first entry must say itself that it was pruned. */
  #checkStart(): void {
    if (this.#start === 0 || this.#continued) return;
    const pruned = this.#prunings.filter(({ minimumIndex }) => minimumIndex >= this.#start);
    if (pruned.length === 0) {
      const known = Math.max(0, ...this.#prunings.map(({ minimumIndex }) => minimumIndex));
      this.#find({
        kind: 'entries-missing',
        detail: LOG_FINDINGS.beginningMissing(known, this.#start - 1),
        entry: known,
        path: tilePath('entries', Math.floor(known / TILE_WIDTH)),
      });
      return;
    }
    this.explained.push({
      by: 'worker',
      detail: LOG_FINDINGS.pruned(this.#start),
    });
    const numbers = pruned.find(({ minimumIndex }) => minimumIndex === this.#start)?.numbers;
    for (const [stream, first] of this.#firstNumbers.entries()) {
      const last = numbers?.[stream];
      if (first === undefined || last === undefined || first === last + 1) continue;
      this.#find({
        kind: 'numbers-missing',
        detail: LOG_FINDINGS.numbersMissingAfterPruned(last + 1, first - 1, streamName(stream)),
      });
    }
  }
}
