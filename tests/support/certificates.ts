import { createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';

/** Makes certificates for tests, since Node can read X.509 but not write it. */

export type Certified = { cert: string; key: string; privateKey: KeyObject; name: string };

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 128
      ? [length]
      : length < 256
        ? [0x81, length]
        : [0x82, Math.floor(length / 256), length % 256];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts);
const oid = (...bytes: number[]): Buffer => der(0x06, Buffer.from(bytes));
const time = (at: Date): Buffer =>
  der(0x18, Buffer.from(at.toISOString().replace(/[-:T]|\.\d+/g, '')));
const nameOf = (text: string): Buffer =>
  sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from(text)))));
const extension = (id: Buffer, critical: boolean, value: Buffer): Buffer =>
  sequence(id, ...(critical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value));

const ECDSA_WITH_SHA256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
const BASIC_CONSTRAINTS = oid(0x55, 0x1d, 0x13);
const SUBJECT_ALTERNATIVE_NAME = oid(0x55, 0x1d, 0x11);
const LOOPBACK = sequence(der(0x87, Buffer.from([127, 0, 0, 1])));

/**
 * A certificate for 127.0.0.1 signed by `issuer`. Without an issuer it signs itself and is an authority.
 *
 * @param options.days how long it is still valid; if less than 0 it has expired
 */
export function certify(
  name: string,
  { issuer, days = 365 }: { issuer?: Certified; days?: number } = {},
): Certified {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const serial = Buffer.concat([Buffer.from([0x01]), randomBytes(8)]);
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ECDSA_WITH_SHA256,
    nameOf(issuer?.name ?? name),
    sequence(time(new Date(now - 400 * 86_400_000)), time(new Date(now + days * 86_400_000))),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        ...(issuer === undefined
          ? [extension(BASIC_CONSTRAINTS, true, sequence(der(0x01, Buffer.from([0xff]))))]
          : [extension(SUBJECT_ALTERNATIVE_NAME, false, LOOPBACK)]),
      ),
    ),
  );
  const signature = createSign('SHA256')
    .update(body)
    .sign(issuer?.privateKey ?? privateKey);
  const whole = sequence(body, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    privateKey,
    name,
  };
}
