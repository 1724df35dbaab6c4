/** Who answers for an act, and why. Both go into the audit. */
export type NamedPerson = {
  /** As it was given: a name that this program cannot check. */
  by: string;
  reason: string;
  /** The account of the operating system that the command ran under, or that somebody signed in with. */
  account?: string;
};

/** What an operator's event holds about it, beside `by`. */
export const whyDetail = ({ reason, account }: NamedPerson): Record<string, string> => ({
  reason,
  ...(account !== undefined && { account }),
});
