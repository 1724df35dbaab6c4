import { PAGE_POLICY } from '../html/frame.ts';

/** Characters that a file name may have on every system. */
const NAME = /[^A-Za-z0-9._-]+/g;

/** A file that a browser saves and never displays, and that nothing stores on the way. */
export function download(
  name: string,
  type: string,
  body: string | Uint8Array | ReadableStream,
): Response {
  return new Response(body, {
    headers: {
      'cache-control': 'no-store',
      'content-disposition': `attachment; filename="${name.replaceAll(NAME, '-')}"`,
      'content-security-policy': PAGE_POLICY,
      'content-type': type,
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    },
  });
}
