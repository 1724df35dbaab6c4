import { z } from 'zod';
import { figure } from '#schemas/wording/counts.ts';
import { OFFICER_SEAL } from '#schemas/wording/officer.ts';
import { timeText } from '#schemas/wording/times.ts';
import type { Audit } from '../../audit/audit.ts';
import { readCheckpointFile } from '../../audit/log/log-folder.ts';
import { KeyFileWrong, publicKeyLines } from '../../audit/seal/keys.ts';
import type { VerificationState, Verifications } from '../../audit/verifications/verifications.ts';
import type { Mountable } from '../../routes/route.ts';
import { download } from '../desk/download.ts';
import { deskMessage } from '../desk/guarded-desk.ts';
import { readReason, reasonField, textField } from '../desk/parts.ts';
import { isReload, reloadOf } from '../desk/reload.ts';
import { redirect } from '../html/frame.ts';
import { type Html, html } from '../html/html.ts';
import { button, buttonLink, type FieldError, heading, paragraph } from '../html/parts.ts';
import { shownText } from '../html/time.ts';
import { byCommandOnly } from './by-command.ts';
import { entryOf } from './event.ts';
import {
  type AtOfficer,
  guardedOfficer,
  isAll,
  isPrivacy,
  LOOK_FORM,
  officerAct,
  officerLook,
  onRecordAs,
  type PrivacyViewer,
} from './officer.ts';
import { type ProofCheckDependencies, proofCheck, proofCheckForm } from './proof-check.ts';

type SealPagesDependencies = ProofCheckDependencies & {
  auditFolder: string;
  auditKeyFile: string;
  /** The state of sealing; `undefined` if another process seals. */
  auditNumbers: () => Audit['numbers'];
  verifications: Verifications;
};

const WORDS = OFFICER_SEAL;
const PATH = '/officer/seal';
const VERIFY_FORM = 'verify';
const LOADS_AGAIN_AFTER_SECONDS = 3;
const TEXT = 'text/plain; charset=utf-8';

const list = (title: string, lines: readonly string[]): Html | false =>
  lines.length > 0 &&
  html`<h3 class="nhsuk-heading-s">${title}</h3><ul class="nhsuk-list nhsuk-list--bullet">${lines.map((line) => html`<li>${shownText(line)}</li>`)}</ul>`;

/** What is sealed, in a sentence or two. */
async function sealedText({ auditNumbers, searcher }: SealPagesDependencies): Promise<Html> {
  const numbers = auditNumbers();
  if (numbers === undefined) return paragraph(WORDS.sealedElsewhere);
  const { sealedEvents, unsealedEvents } = numbers;
  // Only its time is shown, which identifies nobody.
  const last = await searcher.ask('event', { entry: sealedEvents - 1, viewer: { kind: 'all' } });
  const youngest = last.kind === 'found' ? last.event?.at : undefined;
  const sealed = sealedEvents === 1 ? WORDS.sealedOne : WORDS.sealed(figure(sealedEvents));
  return html`<p class="nhsuk-lede-text">${sealed}
${youngest !== undefined && WORDS.youngest(timeText(youngest))}
${unsealedEvents > 0 && WORDS.waiting(figure(unsealedEvents))}</p>`;
}

/** The result of the last verification, in words that can be repeated. */
function lastText({ last, failedAt }: VerificationState, sealed: number | undefined): Html {
  const failed = failedAt !== undefined && paragraph(WORDS.failed(timeText(failedAt)));
  if (last === undefined) return html`${failed}${paragraph(WORDS.neverVerified)}`;
  const { at, by, size, whole, continues, findings, found, explained, witnessed } = last;
  const later = (sealed ?? size) - size;
  if (!whole) {
    return html`${failed}<div class="cpf-not-checked"><h2 class="nhsuk-heading-m">${WORDS.notWhole}</h2>
${paragraph(WORDS.notWholeThen(timeText(at), shownText(by), figure(found)))}
${list(WORDS.findings, findings)}</div>${list(WORDS.explained, explained)}`;
  }
  return html`${failed}<p>${WORDS.whole(figure(size), timeText(at), shownText(by))}
${continues && WORDS.continues}
${witnessed !== undefined && WORDS.witnessed(figure(witnessed.size), witnessed.by.map(shownText).join(', '))}
${later > 0 && WORDS.since(figure(later))}</p>
${list(WORDS.explained, explained)}`;
}

/** What was typed to have an event proven, and what is wrong on the page. */
type Sent = {
  typed?: Partial<Record<'auditId' | 'reason', string | undefined>>;
  errors?: readonly FieldError[];
  status?: number;
  isReloaded?: boolean;
};

async function sealPage(
  dependencies: SealPagesDependencies,
  at: AtOfficer<PrivacyViewer>,
  { typed = {}, errors = [], status, isReloaded = false }: Sent = {},
): Promise<Response> {
  const state = dependencies.verifications.state();
  const { running } = state;
  // A page that reloads itself would lose the file that somebody has chosen.
  const reloads = running !== undefined && errors.length === 0;
  const mayAct = isAll(at.viewer);
  return at.page({
    title: running ? WORDS.runningTitle : WORDS.title,
    errors,
    ...(status !== undefined && { status }),
    ...(reloads && {
      leave: { afterSeconds: LOADS_AGAIN_AFTER_SECONDS, to: reloadOf(PATH) },
      renews: false,
    }),
    content: html`${heading(WORDS.title, reloads && isReloaded)}
${await sealedText(dependencies)}
${paragraph(WORDS.means)}
${
  running === undefined
    ? lastText(state, dependencies.auditNumbers()?.sealedEvents)
    : html`<p class="cpf-strong">${WORDS.running(figure(running.read), figure(running.of), shownText(running.by))}</p>${paragraph(WORDS.refreshes)}`
}
${
  mayAct &&
  running === undefined &&
  html`<form method="post" action="/officer/seal/verify" novalidate>
${at.hidden(VERIFY_FORM)}
${paragraph(WORDS.startThen)}
${button(WORDS.start)}
</form>`
}
${!mayAct && paragraph(WORDS.onlyOperator)}
${paragraph(WORDS.ownKey)}
<h2 class="nhsuk-heading-m">${WORDS.key}</h2>
${paragraph(WORDS.keyThen)}
<p>${buttonLink('/officer/seal/key', WORDS.key, true)}</p>
<h2 class="nhsuk-heading-m">${WORDS.checkpoint}</h2>
${paragraph(WORDS.checkpointThen)}
<p>${buttonLink('/officer/seal/checkpoint', WORDS.checkpoint, true)}</p>
${
  mayAct &&
  html`<h2 class="nhsuk-heading-m">${WORDS.proof}</h2>
${paragraph(WORDS.proofThen)}
<form method="post" action="/officer/seal/proof" novalidate autocomplete="off">
${at.hidden(LOOK_FORM)}
${textField({ name: 'auditId', label: WORDS.auditId, hint: WORDS.auditIdHint, value: typed.auditId, errors })}
${reasonField(typed.reason, errors)}
${button(WORDS.proofSubmit)}
</form>`
}
${!reloads && proofCheckForm(dependencies, at, errors)}
${mayAct && (await byCommandOnly(dependencies))}`,
  });
}

/** `GET /officer/seal`: what is sealed, and when it was last found unchanged. */
export const officerSeal: Mountable<SealPagesDependencies> = {
  operation: { method: 'GET', path: PATH, letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, (c, at) =>
      sealPage(dependencies, at, { isReloaded: isReload(c) }),
    ),
};

/** `POST /officer/seal/verify`: begins a verification of the whole log, unless one is running. */
export const officerVerify: Mountable<SealPagesDependencies> = {
  operation: { method: 'POST', path: '/officer/seal/verify', letsIn: 'audit' },
  handler: (dependencies) =>
    officerAct(dependencies, isAll, VERIFY_FORM, (_, at) => {
      const { by, account } = at.named('');
      dependencies.verifications.start(by, account);
      return redirect(PATH);
    }),
};

/** `GET /officer/seal/checkpoint`: the signed text that fixes the log as it is. It holds nothing about anybody. */
export const officerCheckpoint: Mountable<SealPagesDependencies> = {
  operation: { method: 'GET', path: '/officer/seal/checkpoint', letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, (_, at) => {
      const checkpoint = readCheckpointFile(dependencies.auditFolder);
      if (checkpoint === undefined) {
        return at.page({
          ...deskMessage(WORDS.noCheckpoint, WORDS.noCheckpointThen, PATH),
          status: 503,
        });
      }
      const name = `checkpoint-${new Date().toISOString()}.txt`;
      return download(name, TEXT, new Uint8Array(checkpoint));
    }),
};

/** `GET /officer/seal/key`: the public keys, as `cp-flags audit key` prints them. */
export const officerPublicKey: Mountable<SealPagesDependencies> = {
  operation: { method: 'GET', path: '/officer/seal/key', letsIn: 'audit' },
  handler: (dependencies) =>
    guardedOfficer(dependencies, isPrivacy, async (_, at) => {
      try {
        const lines = await publicKeyLines(dependencies.auditKeyFile);
        const name = `public-key-${new Date().toISOString()}.txt`;
        return download(name, TEXT, `${lines.join('\n')}\n`);
      } catch (error) {
        if (!(error instanceof KeyFileWrong)) throw error;
        return at.page({ ...deskMessage(WORDS.noKey, WORDS.noKeyThen, PATH), status: 503 });
      }
    }),
};

/** `POST /officer/seal/proof`: the proof that one event is in the log, which holds the event. */
export const officerProof: Mountable<SealPagesDependencies> = {
  operation: { method: 'POST', path: '/officer/seal/proof', letsIn: 'audit' },
  handler: (dependencies) =>
    officerLook(dependencies, isAll, async (_, at, fields) => {
      const typed = { auditId: fields.get('auditId')?.trim(), reason: fields.get('reason') };
      const auditId = z.uuid().safeParse(typed.auditId).data;
      const reason = readReason(typed.reason);
      const errors: FieldError[] = [];
      if (auditId === undefined) errors.push({ field: 'auditId', text: WORDS.auditIdWrong });
      if (reason.kind === 'wrong') errors.push(reason.error);
      if (auditId === undefined || reason.kind === 'wrong') {
        return sealPage(dependencies, at, { typed, errors });
      }
      const entry = entryOf(fields);
      const made = await dependencies.verifications.prove(auditId, entry);
      await onRecordAs(dependencies, at, {
        reason: reason.reason,
        report: 'proof',
        criteria: { auditId, ...(entry !== undefined && { entry }) },
        eventsShown: made.kind === 'proof' ? 1 : 0,
      });
      if (made.kind === 'several') {
        return at.page({ ...deskMessage(WORDS.several, WORDS.severalThen, PATH), status: 409 });
      }
      return made.kind === 'no-proof'
        ? at.page({ ...deskMessage(WORDS.notProven, WORDS.notProvenThen, PATH), status: 404 })
        : download(`${auditId}.tlog-proof`, TEXT, made.text);
    }),
};

/** `POST /officer/seal/check` */
export const officerProofCheck = proofCheck<SealPagesDependencies>(
  (dependencies, at, errors, status) => sealPage(dependencies, at, { errors, status }),
);
