import { councilHome } from './council/home.ts';
import { councilLooks, councilLooksDownload, councilLooksOfChild } from './council/looks.ts';

/** Every page there is of councils, privacy officers and operators. They are no part of the API. */
export const DESK_PAGES = [
  councilHome,
  councilLooks,
  councilLooksOfChild,
  councilLooksDownload,
] as const;
