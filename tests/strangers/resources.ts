import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SAMPLE_NUMBERS } from '#schemas/sample.ts';
import { until } from '../support/service.ts';

type Demo = { baseUrl: string; tokens: Record<string, string> };

const UNKNOWN = '9991000100';
const WRONG = '9991000010';

/**
 * Writes every kind of FHIR resource with which a demo answers, each to its own file: searches for every sample child,
 * at every address and with everything that can be included, and the refusals, the service metadata and the audit.
 *
 * @returns the folder
 */
export async function asked({ baseUrl, tokens }: Demo, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  async function keep(name: string, path: string, body?: string, persona = 'emergencyDepartment') {
    const isJson = body?.startsWith('{') === true;
    const response = await fetch(baseUrl + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${tokens[persona]}`,
        'x-request-id': randomUUID(),
        accept: 'application/fhir+json',
        ...(body !== undefined && {
          'content-type': isJson ? 'application/json' : 'application/x-www-form-urlencoded',
        }),
      },
      ...(body !== undefined && { body }),
    });
    await writeFile(join(folder, `${name}.json`), await response.text());
    return response.status;
  }

  const numbers = [...SAMPLE_NUMBERS.map(({ nhsNumber }) => nhsNumber), UNKNOWN, WRONG];
  for (const number of numbers) {
    const patient = `patient:identifier=https://fhir.nhs.uk/Id/nhs-number|${number}`;
    const code = 'code=child-protection-information-system-flag';
    const search = (path: string, query: string, persona?: string) =>
      keep(`${path}-${number}-${persona ?? 'nurse'}`, `/FHIR/R4/${path}/_search`, query, persona);
    await search('CareTeam', patient);
    await search('Flag', `${patient}&${code}`);
    await search('PatientFlag', `patient=${number}`);
    await search('AuditEvent', `${patient}&_include=AuditEvent:agent`, 'ambulanceService');
    await search('AuditEvent', patient);
  }
  for (const path of [
    'metadata',
    'SearchParameter/flag-code',
    'CodeSystem/error-code',
    'CodeSystem/audit-event',
    'nothing',
  ]) {
    await keep(path.replace('/', '-'), `/FHIR/R4/${path}`);
  }
  const review = JSON.stringify({ reason: 'review' });
  const audit = () => keep('audit', '/audit/search', review, 'caldicottGuardian');
  await until(async () => (await audit()) === 200, 'the audit to be searched');
  return folder;
}
