type OmitUndefined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The fields that have a value. The others are absent, not `undefined`. */
export function omitUndefined<T extends object>(fields: T): OmitUndefined<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as OmitUndefined<T>;
}
