import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readControl, writeControl } from '#loaders/inbox/mesh-control.ts';
import { controlXml } from '../../support/mesh.ts';

const text = fc
  .string({ unit: 'grapheme', maxLength: 100 })
  .map((value) => value.replaceAll(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, '').trim());
const id = fc.stringMatching(/^[A-Z0-9]{3,20}$/);

test('a control file reads back as written, whatever its texts', () => {
  fc.assert(
    fc.property(
      fc.record({
        from: id,
        to: id,
        workflowId: id,
        subject: text,
        localId: text,
        partnerId: text,
      }),
      (control) => {
        expect(readControl(writeControl(control))).toMatchObject({ kind: 'control', control });
      },
    ),
  );
});

test('a control file from a MESH client is read', () => {
  expect(readControl(controlXml({ Subject: 'V145-1.xml', Encrypted: 'Y' }))).toEqual({
    kind: 'control',
    control: {
      messageType: 'data',
      from: 'X26ABC1',
      to: 'X26CPF1',
      workflowId: 'TEST_WORKFLOW',
      subject: 'V145-1.xml',
      localId: 'local-1',
      dtsId: '20261124060000000000_ABCDEF',
      partnerId: '',
      encrypted: true,
      status: { event: 'TRANSFER', status: 'SUCCESS', code: '00', description: 'Transferred' },
    },
  });
});

describe('a control file is refused', () => {
  test.for<[string, string]>([
    ['with a document type', `<!DOCTYPE DTSControl [<!ENTITY x "y">]>${controlXml()}`],
    ['with an entity of its own', controlXml({ Subject: '&x;' }, (value) => value)],
    ['with another root', controlXml().replaceAll('DTSControl', 'Control')],
    ['of another version', controlXml({ Version: '2.0' })],
    ['without a sender', controlXml({ From_DTS: '' })],
    ['without a workflow', controlXml({ WorkflowId: '' })],
    [
      'with a sender twice',
      controlXml().replace('<Subject>', '<From_DTS>X26ABC2</From_DTS><Subject>'),
    ],
    ['with too long a text', controlXml({ Subject: 'x'.repeat(300) })],
    ['with a line break in a text', controlXml({ LocalId: 'a\nb' })],
    ['with something after its end', `${controlXml()}<x/>`],
  ])('%s', ([, xml]) => {
    expect(readControl(xml)).toMatchObject({ kind: 'unreadable', cut: false });
  });

  test('but not yet, while the rest may still be arriving', () => {
    const whole = controlXml().trimEnd();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole.length - 1 }), (length) => {
        expect(readControl(whole.slice(0, length))).toMatchObject({
          kind: 'unreadable',
          cut: true,
        });
      }),
    );
  });

  test('or read, and reading never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.nat(), (noise, at) => {
        const whole = controlXml();
        const place = at % whole.length;
        readControl(noise);
        readControl(`<DTSControl>${noise}</DTSControl>`);
        readControl(whole.slice(0, place) + noise + whole.slice(place));
        readControl(whole.slice(0, place) + whole.slice(place + noise.length));
      }),
      { numRuns: 30 },
    );
  });
});
