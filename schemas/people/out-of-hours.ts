const LONDON = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'Europe/London',
  hour: 'numeric',
  hourCycle: 'h23',
  weekday: 'short',
});

/** True from 20:00 to 07:00 in London and at weekends, when scheduled care is closed. */
export function isOutOfHours(at: number): boolean {
  const parts = new Map(LONDON.formatToParts(at).map(({ type, value }) => [type, value]));
  const hour = Number(parts.get('hour'));
  return hour < 7 || hour >= 20 || ['Sat', 'Sun'].includes(parts.get('weekday') ?? '');
}
