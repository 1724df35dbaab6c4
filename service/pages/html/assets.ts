import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { IDLE_MS } from '../session/sessions.ts';

const FRONTEND = new URL('../../../node_modules/nhsuk-frontend/dist/nhsuk/', import.meta.url);
const OWN = new URL('../assets/', import.meta.url);

const TYPES = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

/** An answer leaves the screen by itself, whether or not scripts run. */
export const SHOWN_FOR_SECONDS = 120;

/** An unused session's page leaves with it. */
const LONGEST_SECONDS = IDLE_MS / 1_000;
/** Beyond the time of an answer not every second has its own style. */
const STEP_SECONDS = 10;

/** The seconds after which to hide something that may be seen for this many: not one more. */
export function hiddenAfter(seconds: number): number {
  const within = Math.max(1, Math.min(LONGEST_SECONDS, Math.floor(seconds)));
  return within <= SHOWN_FOR_SECONDS ? within : Math.floor(within / STEP_SECONDS) * STEP_SECONDS;
}

/** A style for each time after which something may be hidden, since a page may contain no style of its own. */
const HIDES_AFTER = Array.from({ length: LONGEST_SECONDS + 1 }, (_, seconds) => seconds)
  .filter((seconds) => seconds === 0 || seconds === hiddenAfter(seconds))
  .map((seconds) => `.cpf-hides--${seconds}{--cpf-hides-after:${seconds}s}\n`)
  .join('');

/** A file that pages fetch: it never changes under its name, which contains its digest. */
type Asset = { type: string; bytes: Buffer; gzipped: Buffer };

export type Assets = {
  /** Addresses by which pages name them. */
  styles: readonly string[];
  script: string;
  /** `isNamed` unless the name is that of another version: then the present contents of the file. */
  find: (name: string) => (Asset & { isNamed: boolean }) | undefined;
};

export const ASSETS_PATH = '/assets';

/** Fonts licensed only to the NHS, at an address of its own. Source: NHS identity guidelines. */
const FONT_FACES = /@font-face\{[^}]*\}/g;
const IMAGES = /\/assets\/images\/([a-z-]+\.svg)/g;
const DIGEST = /\.[0-9a-f]{16}\.(?=[a-z]+$)/;
const SOURCE_MAPS = /\n?(?:\/\*|\/\/)# sourceMappingURL=\S*(?: \*\/)?\s*$/;

/** The NHS design system as in its package, without what it would fetch from elsewhere, and our own few rules. */
export function readAssets(): Assets {
  const assets = new Map<string, Asset>();
  const today = new Map<string, Asset>();

  function add(name: string, text: string): string {
    const [stem = '', ending = 'css'] = name.split(/\.(?=[a-z]+$)/);
    const bytes = Buffer.from(text.replace(SOURCE_MAPS, ''));
    const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    const address = `${stem}.${digest}.${ending}`;
    const type = TYPES[ending as keyof typeof TYPES];
    const asset = { type, bytes, gzipped: gzipSync(bytes, { level: 9 }) };
    assets.set(address, asset);
    today.set(name, asset);
    return `${ASSETS_PATH}/${address}`;
  }
  const package_ = (path: string): string => readFileSync(new URL(path, FRONTEND), 'utf8');
  const own = (path: string): string => readFileSync(new URL(path, OWN), 'utf8');

  const frontendCss = package_('nhsuk-frontend.min.css')
    .replaceAll(FONT_FACES, '')
    .replaceAll(IMAGES, (_, name: string) => add(name, package_(`assets/images/${name}`)));
  const styles = [
    add('nhsuk-frontend.css', frontendCss),
    add('pages.css', own('pages.css') + HIDES_AFTER),
  ];
  const frontendJs = add('nhsuk-frontend.js', package_('nhsuk-frontend.min.js'));
  const councilsJs = add('councils.js', own('councils.js'));
  const script = add(
    'pages.js',
    own('pages.js').replace('./nhsuk-frontend.js', frontendJs).replace('./councils.js', councilsJs),
  );
  return {
    styles,
    script,
    find(name) {
      const named = assets.get(name);
      // While one version follows another, each may be asked for what the other's pages name.
      const found = named ?? today.get(name.replace(DIGEST, '.'));
      return found && { ...found, isNamed: named !== undefined };
    },
  };
}
