/** A lookup's event, correct and as long as one from a hospital's system. */
export const lookupEventOf = <T extends object>(differing: T) => ({
  type: 'lookup' as const,
  auditId: '00000000-0000-4000-8000-000000000000',
  requestId: '00000000-0000-4000-9000-000000000000',
  caller: {
    issuer: 'https://id.example.nhs.uk/realms/care',
    client: 'emergency-department-system',
    user: '555021935107',
    name: 'Amina Demo',
    role: { code: 'R8000', name: 'Clinical Practitioner' },
    organisation: { code: 'RJ1', name: 'Northgate General Hospital' },
  },
  api: 'plain' as const,
  setting: 'emergency-department',
  access: 'unscheduled' as const,
  decidedBy: 'activity' as const,
  nhsNumber: '9990000018',
  coverage: { expected: 153, upToDate: 153 },
  versions: { functions: '54d90f91e021', configuration: 'a34860500270' },
  ...differing,
});

/** The same event as a process writes it. */
export const lookupEvent = (nhsNumber: string, auditId: string): string =>
  JSON.stringify(lookupEventOf({ nhsNumber, auditId }));

/** A nurse of an organisation, as events name them. */
export const nurseOf = (user: string, organisation: string) => ({
  issuer: 'https://id.example',
  client: 'test',
  user,
  name: `Nora ${user}`,
  role: { code: 'R8000', name: 'Clinical Practitioner' },
  organisation: { code: organisation, name: `Organisation ${organisation}` },
});
