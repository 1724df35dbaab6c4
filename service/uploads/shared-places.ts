import type { OdsCode } from '#schemas/authority.ts';

/**
 * Places for work that an authority may prolong by sending or reading its bytes slowly. One authority can have only a
 * part of the places, so that it cannot keep the others out.
 */
export function createSharedPlaces({ inAll, ofOne }: { inAll: number; ofOne: number }) {
  const taken: OdsCode[] = [];
  return {
    /**
     * @param elsewhere places of the same total taken by other work
     * @returns a function that gives the place back, once; `undefined` if there is none for this authority
     * now
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
