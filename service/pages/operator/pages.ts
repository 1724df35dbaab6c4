import {
  operatorConfirmPlans,
  operatorCouncil,
  operatorCouncilCheck,
  operatorCouncilSet,
  operatorNumbering,
  operatorSetUp,
} from './council.ts';
import { operatorCouncils } from './councils.ts';
import { operatorDecide, operatorDecision } from './decisions.ts';
import { operatorExpected, operatorExpectedCheck, operatorExpectedSet } from './expected.ts';
import { operatorDecideFile, operatorFile, operatorFiles } from './files.ts';
import { operatorDecideMessage, operatorMessage, operatorMessages } from './messages.ts';
import { operatorHome } from './overview.ts';
import { operatorRepair } from './repair.ts';
import { operatorNotifications, operatorResend } from './resend.ts';
import { operatorRunbook } from './runbook.ts';
import { operatorRunning } from './running.ts';
import { operatorBlock, operatorUnblock, operatorUser, operatorUsers } from './users.ts';

/** The pages of the people who run the service. */
export const OPERATOR_PAGES = [
  operatorHome,
  operatorCouncils,
  operatorSetUp,
  operatorCouncil,
  operatorCouncilCheck,
  operatorCouncilSet,
  operatorNumbering,
  operatorConfirmPlans,
  operatorExpected,
  operatorExpectedCheck,
  operatorExpectedSet,
  operatorFiles,
  operatorFile,
  operatorDecideFile,
  operatorMessages,
  operatorMessage,
  operatorDecideMessage,
  operatorNotifications,
  operatorResend,
  operatorUsers,
  operatorBlock,
  operatorUser,
  operatorUnblock,
  operatorRunning,
  operatorDecision,
  operatorDecide,
  operatorRepair,
  operatorRunbook,
] as const;
