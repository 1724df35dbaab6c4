import { officerCase, officerCaseOpened, officerCaseStep, officerCases } from './cases.ts';
import { officerChild, officerCopy, officerDraft } from './child.ts';
import { ERASE_PAGES } from './erase.ts';
import { officerBlock, officerBlocked, officerEvent, officerUnblock } from './event.ts';
import { HOLDS_PAGES } from './holds.ts';
import { officerPatterns, officerPatternsShown } from './patterns.ts';
import { officerReport, officerReports } from './reports.ts';
import {
  officerCheckpoint,
  officerProof,
  officerProofCheck,
  officerPublicKey,
  officerSeal,
  officerVerify,
} from './seal.ts';
import { officerHome, officerSearch } from './search.ts';

/** The pages of privacy officers and Caldicott Guardians. */
export const OFFICER_PAGES = [
  officerHome,
  officerSearch,
  officerEvent,
  officerReports,
  officerReport,
  officerPatterns,
  officerPatternsShown,
  officerChild,
  officerDraft,
  officerCopy,
  officerCases,
  officerCaseOpened,
  officerCase,
  officerCaseStep,
  officerSeal,
  officerVerify,
  officerCheckpoint,
  officerPublicKey,
  officerProof,
  officerProofCheck,
  ...HOLDS_PAGES,
  ...ERASE_PAGES,
  officerBlock,
  officerBlocked,
  officerUnblock,
] as const;
