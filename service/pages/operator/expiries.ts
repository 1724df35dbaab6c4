/** Something that ends, or grows old. Times are milliseconds since 1970. */
export type Expiry = {
  what: string;
  /** Absent of what has no end of its own, or one that nobody here can read. */
  endsAt?: number;
  /** When its file was last changed. */
  changedAt?: number;
  unreadable?: true;
};
