/** Something that expires, or grows old. Times are milliseconds since 1970. */
export type Expiry = {
  what: string;
  /** Absent if it has no end of its own, or none that can be read here. */
  endsAt?: number;
  /** When its file was last changed. */
  changedAt?: number;
  /** It is fetched again long before it ends; a check says so if it is not. */
  isFetched?: true;
  unreadable?: true;
};
