/** What a council's data officer reads. */
export const COUNCIL = {
  home: 'Home',
  unknown: 'Your council is not known here yet',
  unknownThen: (name: string, code: string) =>
    `Nothing is held for ${name} (${code}). Ask the team that runs this service to add it.`,
  held: 'What clinicians are shown',
  dataAsOf: 'Data as of',
  neverLoaded: 'No file has been loaded yet',
  lastFile: 'Last file',
  plans: 'Plans held, ended ones too',
} as const;
