import { OFFICER_BY_COMMAND } from '#schemas/wording/officer.ts';
import { timeText } from '#schemas/wording/times.ts';
import { lookWhenFree } from '../../audit/log/when-free.ts';
import { KeyFileWrong, readKeys } from '../../audit/seal/keys.ts';
import { keyName } from '../../audit/verify/verify-proof.ts';
import { type Html, html } from '../html/html.ts';
import { paragraph } from '../html/parts.ts';
import { shownText } from '../html/time.ts';
import type { OfficerDependencies } from './officer.ts';

type ByCommandDependencies = Pick<OfficerDependencies, 'indexed'> & {
  auditFolder: string;
  auditKeyFile: string;
};

const WORDS = OFFICER_BY_COMMAND;

async function keysText(keyFile: string): Promise<Html> {
  try {
    const keys = (await readKeys(keyFile)).map(({ verifierKey }) => keyName(verifierKey));
    return html`${WORDS.keys} <bdi>${keys.join(', ')}</bdi>`;
  } catch (error) {
    if (!(error instanceof KeyFileWrong)) throw error;
    return html`${WORDS.noKeys}`;
  }
}

const part = (title: string, now: string | Html, then: string, command: string): Html =>
  html`<h3 class="nhsuk-heading-s">${title}</h3>${paragraph(now)}${paragraph(then)}<p><code>${command}</code></p>`;

/** What is done to the audit only by command: what is so now, why, and the command. */
export async function byCommandOnly({
  auditFolder,
  auditKeyFile,
  indexed,
}: ByCommandDependencies): Promise<Html> {
  const until = indexed()?.completeUntil;
  const sealing = await lookWhenFree(auditFolder, (commits) => commits.sealing());
  return html`<h2 class="nhsuk-heading-m">${WORDS.title}</h2>
${paragraph(WORDS.lead)}
${part(
  WORDS.key,
  await keysText(auditKeyFile),
  WORDS.keyThen,
  "cp-flags audit key --add --by 'NAME' --reason 'WHY'",
)}
${part(
  WORDS.gap,
  sealing === undefined || sealing.gaps.length === 0
    ? WORDS.noGap
    : html`<strong>${shownText(sealing.detail)}</strong>`,
  WORDS.gapThen,
  "cp-flags audit accept-gap --by 'NAME' --reason 'WHAT HAPPENED'",
)}
${part(
  WORDS.index,
  until === undefined ? WORDS.indexing : WORDS.indexed(timeText(until)),
  WORDS.indexThen,
  'cp-flags audit index --rebuild',
)}`;
}
