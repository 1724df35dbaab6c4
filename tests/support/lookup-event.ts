/** A lookup's event as a process writes it, right in every respect. */
export const lookupEvent = (nhsNumber: string, auditId: string): string =>
  JSON.stringify({
    type: 'lookup',
    auditId,
    caller: {
      issuer: 'test',
      client: 'test',
      user: 'user-1',
      name: 'A Nurse',
      role: { code: 'R0670', name: 'Nurse' },
      organisation: { code: 'ZZX', name: 'Test Hospital' },
    },
    api: 'plain',
    setting: 'emergency-department',
    access: 'unscheduled',
    decidedBy: 'activity',
    nhsNumber,
    coverage: { expected: 1, upToDate: 1 },
    versions: { functions: 'f', configuration: 'c' },
  });
