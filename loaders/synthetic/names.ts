import { one } from './random.ts';

/**
 * Made-up names, in the files so that tests show that they are dropped: with accents, apostrophes, hyphens,
 * spaces, and a comma that a CSV has to quote.
 */
// biome-ignore format: a list of words
const GIVEN = [
  'Ada', 'Aisha', 'Alfie', 'Amara', 'Anaïs', 'Anwen', 'Archie', 'Arlo', 'Ayaan', 'Beatriz', 'Ben',
  'Bilal', 'Callum', 'Cara', 'Chidi', 'Chloë', 'Daisy', 'Dev', 'Edie', 'Elif', 'Ellis', 'Esme', 'Ezra',
  'Farah', 'Finn', 'Freya', 'Grace', 'Hana', 'Harvey', 'Ifeoma', 'Imran', 'Iris', 'Jack', 'Jasper',
  'Joanna May', 'Kofi', 'Layla', 'Leo', 'Lucía', 'Mabel', 'Mateo', 'Mia', 'Nadia', 'Noah', 'Nora',
  'Oisín', 'Olive', 'Oskar', 'Poppy', 'Priya', 'Rafi', 'Rhys', 'Rosa', 'Safa', 'Siân', 'Tariq', 'Theo',
  'Uma', 'Wren', 'Yusuf', 'Zara', 'Zoë',
] as const;
// biome-ignore format: a list of words
const FAMILY = [
  'Abara', 'Ackerwood', 'Ahmadzai', 'Barrowclough', 'Bellwether', 'Bryn-Price', 'Cartmel', 'Chowdhry',
  'Copperfield', 'D’Arcy', 'Dunmoor', 'Eastcote', 'Eze', 'Fairhurst', 'Farrowby', 'Garside', 'Gorse',
  'Hallowell', 'Hawthorne', 'Ibarra', 'Iveson', 'Jarnail', 'Kaczmar', 'Kettlewell', 'Larkspur',
  'Lindqvist', 'Mbeki-Hart', 'McAllan', 'Merriweather', 'Nightingale', 'Norwood', 'Núñez', 'O’Hanlon',
  "O'Shea", 'Okafor', 'Pemberly', 'Quillfeather', 'Rahimi', 'Ravenscroft', 'Sandover', 'Silverdale',
  'Singhania', 'Stanhope, Jr', 'Tamworthy', 'Thistlewood', 'Underhay', 'Van der Veld', 'Vasquez-Lowe',
  'Wainscott', 'Whitlock', 'Yarborough', 'Zielony',
] as const;

// biome-ignore format: a list of words
const PLACE = [
  'Alder', 'Amber', 'Birch', 'Bramble', 'Clover', 'Copper', 'Elder', 'Fallow', 'Fern', 'Gorse', 'Hazel',
  'Heron', 'Ivy', 'Juniper', 'Kestrel', 'Lark', 'Linden', 'Marrow', 'Nettle', 'Otter', 'Plover', 'Quarry',
  'Rowan', 'Sorrel', 'Tansy', 'Thistle', 'Umber', 'Willow',
] as const;
// biome-ignore format: a list of words
const ENDING = [
  'beck', 'brook', 'combe', 'dale', 'fold', 'haven', 'holt', 'marsh', 'mere', 'minster', 'reach', 'wick',
] as const;
const COUNCIL = ['Council', 'Borough Council', 'City Council', 'County Council'] as const;

export const givenName = (draw: () => number): string => one(draw, GIVEN);
export const familyName = (draw: () => number): string => one(draw, FAMILY);

/** A different name for each index, which says itself that it is made up. */
export function councilName(index: number): string {
  const place = PLACE[index % PLACE.length] ?? PLACE[0];
  const round = Math.floor(index / PLACE.length);
  const ending = ENDING[(round + index) % ENDING.length] ?? ENDING[0];
  const again = Math.floor(round / ENDING.length);
  const number = again === 0 ? '' : ` ${again + 1}`;
  const council = COUNCIL[(index * 7) % COUNCIL.length] ?? COUNCIL[0];
  return `${place}${ending}${number} ${council} (synthetic)`;
}
