// By hand, since writing XML takes two functions; a library would be a dependency of every answer to an
// authority.

/** Text and attribute values escaped; a character that XML 1.0 cannot hold becomes U+FFFD. */
export function xmlText(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** An element; attributes without a value are left out, children are XML already. */
export function element(
  name: string,
  attributes: Record<string, string | number | undefined> = {},
  ...children: readonly (string | readonly string[])[]
): string {
  const open = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${xmlText(String(value))}"`)
    .join('');
  const inside = children.flat().join('');
  return inside === '' ? `<${name}${open}/>` : `<${name}${open}>${inside}</${name}>`;
}

/** A message of the CP-IS schemas. */
export function spineDocument(root: string, ...children: readonly string[]): string {
  const namespaces = { xmlns: 'urn:hl7-org:v3', 'xmlns:npfitlc': 'NPFIT:HL7:Localisation' };
  const lines = element(
    root,
    namespaces,
    '\n',
    children.map((child) => `${child}\n`),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${lines}\n`;
}

/** The marker of a template's place in a message, for instance `COCT_TP145101GB01#Child`. */
export function contentId(template: string): string {
  return element('npfitlc:contentId', {
    root: '2.16.840.1.113883.2.1.3.2.4.18.16',
    extension: template.replace('.', '#'),
  });
}

/** The authority that a message is for. */
export function intendedRecipient({
  code,
  name = code,
}: {
  code: string;
  name?: string | undefined;
}): string {
  const recipient = 'COCT_TP145103GB01.IntendedRecipient';
  const organisation = element(
    'representedSourceOrganization',
    {},
    element('id', { root: OIDS.organisation, extension: code }),
    element('name', {}, xmlText(name)),
  );
  return element(
    'primaryInformationRecipient',
    {},
    contentId(recipient),
    element(recipient, {}, organisation),
  );
}

/** HL7 time stamp of an ISO 8601 instant in UTC: `20261124060000+0000`. */
export function spineTime(isoUtc: string): string {
  return `${isoUtc.slice(0, 19).replaceAll(/[-:T]/g, '')}+0000`;
}

/** Object identifiers of the CP-IS schemas. */
export const OIDS = {
  nhsNumber: '2.16.840.1.113883.2.1.4.1',
  localId: '2.16.840.1.113883.2.1.3.2.4.18.24',
  organisation: '2.16.840.1.113883.2.1.3.2.4.19.1',
  jobRole: '2.16.840.1.113883.2.1.3.2.4.17.196',
  user: '1.2.826.0.1285.0.2.0.65',
  fileCodes: '2.16.840.1.113883.2.1.3.2.4.17.474',
  recordCodes: '2.16.840.1.113883.2.1.3.2.4.17.473',
} as const;
