import type { Followed, SealedEvent, SealedLook } from '#service/audit/log/sealed.ts';

/** Passes on sealed events as the sealer does: a look that found nothing comes without parts of its own. */
export function handingOn(): (sealed: SealedEvent) => Followed {
  const commons = new Map<string, SealedLook['common']>();
  return (sealed) => {
    const { index, event } = sealed;
    if (event.type !== 'lookup' || event.outcome !== 'not-flagged') return sealed;
    if (!/^[0-9]{10}$/.test(event.nhsNumber)) return sealed;
    const { type, caller, api, setting, access, decidedBy, coverage, versions } = event;
    const made = { type, caller, api, setting, access, decidedBy, coverage, versions };
    const key = JSON.stringify(made);
    const common = commons.get(key) ?? made;
    commons.set(key, common);
    return { index, at: event.at, child: Number(event.nhsNumber), common };
  };
}
