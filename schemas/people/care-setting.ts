import { z } from 'zod';
import { shortTextSchema } from '../text.ts';

/**
 * Where a lookup may come from.
 *
 * Unscheduled: the seven settings of CP-IS phase one, and NHS 111. Scheduled: phase two, silent reads.
 * Source: CP-IS service pages and roll-out road map.
 */
export const CARE_SETTINGS = {
  'emergency-department': { unscheduled: true },
  'walk-in-centre': { unscheduled: true },
  'out-of-hours-gp': { unscheduled: true },
  'minor-injury-unit': { unscheduled: true },
  'paediatric-ward': { unscheduled: true },
  maternity: { unscheduled: true },
  ambulance: { unscheduled: true },
  'nhs-111': { unscheduled: true },
  'general-practice': { unscheduled: false },
  'child-mental-health': { unscheduled: false },
  'sexual-assault-referral-centre': { unscheduled: false },
  'termination-of-pregnancy': { unscheduled: false },
  '0-19-service': { unscheduled: false },
  'community-paediatrics': { unscheduled: false },
  dentistry: { unscheduled: false },
} as const;

type CareSetting = keyof typeof CARE_SETTINGS;
export const careSettings = Object.keys(CARE_SETTINGS) as [CareSetting, ...CareSetting[]];

/**
 * The two activities that may look.
 *
 * B0107: look up in unscheduled care; the access is listed, and the authority is notified.
 * B0170: look up in scheduled care, a silent read. Source: national role based access control.
 */
export const ACTIVITY_UNSCHEDULED = 'B0107';
export const ACTIVITY_SILENT = 'B0170';

/** How the lookup counts: listed and notified, or a silent read. */
export const ACCESSES = ['unscheduled', 'silent-read'] as const;
export type Access = (typeof ACCESSES)[number];

/**
 * Organisations that are known and are not care settings. Listing one records that it was considered: it is
 * refused by its kind, even in a demo. None of them has access. Source: CP-IS is for direct care.
 */
const OTHER_ORGANISATIONS = ['education', 'housing', 'police', 'social-care', 'other'] as const;
type OtherOrganisation = (typeof OTHER_ORGANISATIONS)[number];

export function isCareSetting(setting: CareSetting | OtherOrganisation): setting is CareSetting {
  return Object.hasOwn(CARE_SETTINGS, setting);
}

/** One row of the organisations file, which says what kind of setting an organisation is. */
const organisationSchema = z.strictObject({
  code: z.string().regex(/^[A-Z0-9]{3,12}$/, { error: 'must be an ODS code' }),
  name: shortTextSchema,
  setting: z.enum([...careSettings, ...OTHER_ORGANISATIONS]),
});
export type Organisation = z.infer<typeof organisationSchema>;

export const organisationsFileSchema = z.array(organisationSchema);
