/**
 * The body of an HTTP answer, decompressed; `undefined` if it is longer than this, and its connection ends. Its time
 * is limited by the signal of its request.
 */
export async function readBounded(
  response: Response,
  atMostBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = response.body ?? [];
  for await (const chunk of body) {
    length += chunk.length;
    if (length > atMostBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
