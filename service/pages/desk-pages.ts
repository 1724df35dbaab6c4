import { councilHome } from './council/home.ts';

/** Every page there is of councils, privacy officers and operators. They are no part of the API. */
export const DESK_PAGES = [councilHome] as const;
