import { resourceOf } from '../description/operation.ts';
import {
  auditEventCodes,
  capabilityStatement,
  errorCodes,
  flagCodeParameter,
} from '../fhir/conformance.ts';
import { wantsJson } from '../fhir/media.ts';
import { refusalResponse } from '../fhir/outcome.ts';
import { type BaseOf, withTraceId } from '../fhir/request.ts';
import { FHIR_BASE, FHIR_JSON } from '../fhir/vocabulary.ts';
import { SAFE_HEADERS } from '../http/headers.ts';
import { readRequestIds } from '../http/request-ids.ts';
import type { Route } from './route.ts';

type ConformanceDependencies = {
  baseOf: BaseOf;
  /** The version of the software. */
  version: string;
};

function conformance(
  path: string,
  id: string,
  resourceType: string,
  summary: string,
  describe: (version: string, base: string) => object,
): Route<ConformanceDependencies> {
  return {
    operation: {
      method: 'GET',
      path: `${FHIR_BASE}${path}`,
      id,
      tag: 'FHIR R4',
      summary,
      description: 'Read without a token. It is the same for every caller.',
      letsIn: 'anybody',
      answer: {
        description: `The ${resourceType}.`,
        content: { [FHIR_JSON]: { schema: resourceOf(resourceType) } },
      },
      refusals: ['format-unsupported'],
    },
    handler:
      ({ baseOf, version }) =>
      (c) => {
        const { incoming } = c.env;
        if (!wantsJson(incoming.headers, c.req.query('_format') ?? null)) {
          return refusalResponse('format-unsupported', readRequestIds(withTraceId(incoming)));
        }
        return new Response(JSON.stringify(describe(version, baseOf(c))), {
          status: 200,
          headers: { ...SAFE_HEADERS, 'content-type': FHIR_JSON },
        });
      },
  };
}

/** What describes the FHIR service, in the shapes of the draft CP-IS and the Patient Flags guides. */
export const fhirConformance = [
  conformance(
    '/metadata',
    'metadata',
    'CapabilityStatement',
    'What the FHIR service can do',
    capabilityStatement,
  ),
  conformance(
    '/SearchParameter/flag-code',
    'flagCodeParameter',
    'SearchParameter',
    'The parameter `code` of Flag',
    flagCodeParameter,
  ),
  conformance(
    '/CodeSystem/error-code',
    'errorCodes',
    'CodeSystem',
    'The codes of refusals',
    errorCodes,
  ),
  conformance(
    '/CodeSystem/audit-event',
    'auditEventCodes',
    'CodeSystem',
    'The kinds of event in the audit',
    auditEventCodes,
  ),
];
