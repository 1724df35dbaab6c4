const UTF_16 = Buffer.from([0xff, 0xfe]);

/**
 * The original of a signed text that mail, an editor or a checkout has changed in form: UTF-16, a byte order
 * mark, other line breaks, blank lines before or after it. A signed text has none of these, so undoing them
 * cannot produce a different one; the signature is checked afterwards.
 */
export function asWritten(bytes: Buffer): Buffer {
  const wide = bytes.subarray(0, UTF_16.length).equals(UTF_16);
  const text = bytes
    .toString(wide ? 'utf16le' : 'utf8')
    .replace(/^\uFEFF/, '')
    .replaceAll(/\r+\n?/g, '\n')
    .replaceAll(/^\n+|\n+$/g, '');
  return Buffer.from(`${text}\n`);
}
