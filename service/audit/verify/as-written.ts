const UTF_16 = Buffer.from([0xff, 0xfe]);

/**
 * A signed text as it was written, if mail, an editor or a checkout has changed what carries it: UTF-16,
 * a byte order mark, other line breaks, blank lines before or after it. None of these can be in a text that
 * was signed, so undoing them can make no other text of it; the signature is checked afterwards.
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
