/** What a council reads when it keeps something back about one of its children. */
export const RESTRICTION = {
  set: {
    whereabouts:
      'From now on only your council is shown where this child is looked up. We notify you of each look at once.',
    barred:
      'From now on this user is told that the check could not be made, whenever they look this child up. They are not told that they are barred.',
  },
  /**
   * Another council protects the child's whereabouts as well: since before this council did, or after.
   * Without its name, which may say where the child is.
   */
  other: {
    first:
      'Another council has protected this child’s whereabouts for longer. Only that council is shown where the child is looked up, and yours is not. If that protection ends, yours takes over. If your council has to know where the child is, ring the team that runs this service.',
    also: 'Another council protects this child’s whereabouts too, and began after yours. It is not shown where the child is looked up while your protection is in force. Before you end yours, ring the team that runs this service.',
  },
  ended: {
    whereabouts:
      'This council no longer keeps secret where the child is looked up. It is shown again, unless another council keeps it secret.',
    barred: 'From now on this user gets the same answers as all others.',
  },
  refused: {
    'no-such-child':
      'None of this council’s plans is shown under this number. Check the number. Nothing was changed.',
    'too-many':
      'There is a limit: ten users in a day, ten times in a day for one child’s whereabouts, and twenty entries for one child. If you need more, ring the team that runs this service. Nothing was changed.',
    busy: 'A file from your council is being loaded, or a colleague is changing an entry. Try again in a minute. Nothing was changed.',
    gone: 'There is no such entry. Nothing was changed.',
  },
  /** Why a protection is on record again. */
  endLost: 'Redis lost its end before that took effect, so it is still in force',
  /** An act that was given up because Redis had lost it. */
  inDoubt: (code: string, id: string) =>
    `Redis lost an entry of authority ${code} that keeps something back about a child (${id}) before it took effect. It may be on record: then notifications and searches hide where that child was looked up, and lookups do not. Ask the authority. If the child is to be protected, the authority protects the child again. In either case end the lost entry afterwards: cp-flags restrict ${code} --end ${id} --by NAME --reason TEXT`,
  lostEnded:
    'The lost entry is ended. If nothing else protects the child, notifications and searches show again where it was looked up.',
  notIndexed:
    'It cannot be said yet whether the lost entry was recorded, because the index of the audit has not reached the end of the log. Nothing was changed. A worker continues the index; do this again when cp-flags audit search finds the newest events.',
  lostNotRecorded: 'The lost entry was not on record, so nothing was hidden by it.',
  /** Beside its status, which may be that it has ended. */
  kinds: {
    whereabouts: 'Protection of whereabouts',
    barred: 'Bar on a user',
  },
  standing: {
    'being-set': 'being set, which cannot be stopped: until it is done, it may not be in force',
    'in-force': 'in force',
    'being-ended':
      'being ended, which cannot be stopped: until it is done, it may still be in force',
    ended: 'ended',
    'cut-short': 'not set so far: if it still says so in a minute, set it again',
  },
} as const;

/** The pages on which a council does so. */
export const RESTRICTIONS = {
  title: 'Protect a child',
  lead: 'Stop others from seeing where one of your children is looked up. Or stop one person who works in the NHS, such as a parent, from seeing anything about a child.',
  begin: 'Keep something back about a child',
  list: 'What your council keeps back',
  none: 'Your council keeps nothing back.',
  columns: ['When', 'What', 'Local id', 'Set by', 'Status'],
  pages: { newer: 'Later entries', older: 'Earlier entries' },
  number: 'NHS number of the child',
  numberHint: 'If the child is not born yet, type the mother’s number.',
  again: 'Type the NHS number again',
  againHint: 'Take it from your case system.',
  againWrong: 'The two numbers differ. Check them in your case system',
  next: 'Continue',
  noneFound:
    'None of your plans is shown under this number. Check the number. You can protect a child only while one of your plans is shown.',
  what: 'What do you want to do?',
  whatWrong: 'Choose what you want to do',
  whereabouts: 'Protect where this child is looked up',
  whereaboutsHint:
    'Nobody else is shown where the child is looked up, or by whom. Clinicians still see the plan. We notify you of each look at once.',
  bar: (name: string) => `Bar ${name}`,
  barHint: (role: string, organisation: string, id: string) =>
    `${role}, ${organisation}. User id ${id}`,
  barOther: 'Bar somebody else',
  barOtherHint: 'Enter their user id below.',
  user: 'User id',
  userHint:
    'As it is in the list of those who looked at your children. Check it with the organisation: a wrong id bars nobody, or the wrong person.',
  userWrong: 'Enter the user id of the person',
  userLikeNumber:
    'This could be an NHS number. Check it. If it is the user’s id, send it again as it is',
  barred:
    'A person who is barred is told only that the check could not be made. They may then care for this child without knowing of the plan. Bar somebody only if the child must be kept from them.',
  save: 'Do this now',
  local: 'Local id',
  noLocalId: 'none',
  child: 'NHS number',
  who: 'Barred user',
  set: 'Set by',
  setReason: 'Reason given',
  ended: 'Ended by',
  endedReason: 'Reason for the end',
  standing: 'Status',
  standingWith: {
    first: 'in force, but another council protected this child first',
    also: 'in force; another council also protects this child, and began later',
  },
  noPlan:
    'None of your plans is shown for this child any more. If this is no longer needed, end it. Nothing ends by itself.',
  end: {
    whereabouts: 'Show again where this child is looked up',
    barred: 'Let this user look again',
  },
  endLead: {
    whereabouts:
      'Nurses, doctors and other councils then see who looked at this child, and where. If another council protects the child too, they still do not.',
    barred: 'This user then gets the same answers as all others.',
  },
  endButton: 'End this',
} as const;
