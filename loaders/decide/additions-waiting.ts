import type { Anchor } from '#store/trust/anchor.ts';
import { heldFileSchema } from '../spool/journal.ts';

/**
 * Whether additions of another file of an authority wait: to be traced, or, if a file is held whole, for a
 * decision. They may include a flag, so until then no file makes the authority's data fresher.
 *
 * @param sequence of this file, with the authority's offset: what it holds does not count
 * @param closed below this a full refresh has stated everything again
 */
export const areAdditionsWaiting = (
  anchor: Pick<Anchor, 'heldFiles'>,
  { authority, sequence, closed }: { authority: string; sequence: number; closed: number },
): boolean =>
  anchor.heldFiles().some((held) => {
    if (held.authority !== authority || held.sequence === sequence) return false;
    if (held.sequence < closed) return false;
    const { whole, untraced } = heldFileSchema.parse(JSON.parse(held.json));
    return whole || untraced !== undefined;
  });
