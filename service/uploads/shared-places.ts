import type { OdsCode } from '#schemas/authority.ts';

/**
 * Places for work that an authority may draw out as it likes, by sending or taking its bytes slowly: so many in all, of
 * which one authority has only a part, so that it cannot keep the others out.
 */
export function createSharedPlaces({ inAll, ofOne }: { inAll: number; ofOne: number }) {
  const taken: OdsCode[] = [];
  return {
    /**
     * @param elsewhere places that other work has taken of the same
     * @returns what gives the place back, once; `undefined` if there is none for this authority now
     */
    take(authority: OdsCode, elsewhere = 0): (() => void) | undefined {
      const own = taken.filter((each) => each === authority).length;
      if (taken.length + elsewhere >= inAll || own >= ofOne) return undefined;
      taken.push(authority);
      let given = false;
      return () => {
        if (!given) taken.splice(taken.indexOf(authority), 1);
        given = true;
      };
    },
  };
}
