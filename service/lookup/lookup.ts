import { problemResponse } from '../http/problem.ts';
import { type AnsweringDependencies, createAnswering } from './answering.ts';
import {
  answerResponse,
  createHandler,
  type HandlerDependencies,
  readJsonBody,
} from './handler.ts';
import { limitOf, type Rehearse } from './rehearsals.ts';
import { parseRequest } from './request.ts';
import { whenUndelivered } from './undelivered.ts';

export type LookupDependencies = HandlerDependencies &
  AnsweringDependencies & {
    /** What a demo answers for some numbers in the place of an answer. */
    rehearse: Rehearse;
  };

/**
 * `POST /lookup`: is there a flag for this NHS number, whom to ring, who looked before.
 *
 * Whatever is not a complete, audited answer is a problem with `checked: false`.
 */
export function createLookupHandler(dependencies: LookupDependencies) {
  const answer = createAnswering(dependencies);
  return createHandler(dependencies, async (env, admitted, trace) => {
    const bytes = await readJsonBody(env);
    if (!Buffer.isBuffer(bytes)) return bytes;
    const parsed = parseRequest(bytes);
    if (parsed.kind === 'refused') return parsed;
    const limit = limitOf(dependencies.rehearse(parsed.request.nhsNumber));
    if (limit !== undefined) return { code: 'too-many-requests', limit };
    const answering = await answer(admitted, parsed.request, trace);
    if (answering.kind === 'could-not-check') {
      return problemResponse(answering.code, admitted.ids);
    }
    whenUndelivered(env.incoming, env.outgoing, answering.notDelivered);
    return answerResponse(answering.json, admitted.ids);
  });
}
