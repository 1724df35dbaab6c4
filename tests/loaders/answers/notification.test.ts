import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { SaxesParser } from 'saxes';
import { expect, test } from 'vitest';
import { formatNotification, notificationsCsv } from '#loaders/answers/notification.ts';
import { notificationsPageSchema } from '#schemas/notification.ts';
import { everyNotification, notification } from '../../support/acknowledgements.ts';
import { root } from '../../support/processes.ts';

const all = everyNotification();
const xmlOf = (name: string): string => {
  const one = all[name];
  if (one === undefined) throw new Error(`no ${name}`);
  return formatNotification(one, 'xml');
};
const count = (xml: string, part: string): number => xml.split(part).length - 1;

test('the CSV has one line for each entry, is plain text to a spreadsheet, and includes the checkpoint', () => {
  const csv = formatNotification(notification([{}, { count: 3 }]), 'csv');
  const rows: Record<string, string>[] = parse(csv, { columns: true, bom: true });
  expect(rows).toMatchObject([
    {
      notification: '000001204331.0000',
      local_id: `'=LA&"1`,
      plan_types: 'CPP',
      file_sequence: '412',
      user_name: 'Nora <Nurse>',
      organisation_code: 'RJ1',
      count: '1',
      remark: '',
    },
    { count: '3', checkpoint: '' },
  ]);
  expect(rows[0]?.['nhs_number']).toMatch(/^999 \d{3} \d{4}$/);
  expect(Buffer.from(rows[0]?.['checkpoint'] ?? '', 'base64').toString()).toBe(
    notification([]).checkpoint,
  );
});

test('a CSV without entries says that it has none, and every format says what could not be read', () => {
  const [empty]: Record<string, string>[] = parse(formatNotification(notification([]), 'csv'), {
    columns: true,
    bom: true,
  });
  expect(empty).toMatchObject({ entry: '', remark: 'Nobody looked.' });
  for (const format of ['json', 'csv'] as const) {
    const unreadable = notification([{}], { unreadableEvents: 3 });
    expect(formatNotification(unreadable, format)).toMatch(
      /3 events could not be read|"unreadableEvents": 3/,
    );
  }
});

test('the XML is always well-formed and has the right count of its accesses', () => {
  for (const [name, one] of Object.entries(all)) {
    const xml = formatNotification(one, 'xml');
    const parser = new SaxesParser({ xmlns: true });
    parser.on('error', (error) => {
      throw error;
    });
    parser.write(xml).close();
    const records = count(xml, '<pertinentCP-ISRecordAccess>');
    expect(xml, name).toContain(`<pertinentTotalReturnedRecords><value value="${records}"/>`);
  }
});

test('the XML has the first and last access, and only the last of a repeated entry', () => {
  expect(count(xmlOf('one'), '<pertinentCP-ISNHSQuery>')).toBe(1);
  const xml = xmlOf('repeated');
  expect(count(xml, '<pertinentCP-ISNHSQuery>')).toBe(3);
  expect(count(xml, '7B7F5ED4-3F0E-4A5E-9A55-3A4C5C7E2F01')).toBe(1);
  expect(count(xml, '0F8FAD5B-D9CB-469F-A165-70867728950E')).toBe(2);
});

test('the XML names the file for each of the authority’s own identifiers', () => {
  const xml = xmlOf('mother');
  expect(count(xml, '<pertinentCP-ISRecordAccess>')).toBe(2);
  expect(xml).toContain('assigningAuthorityName="ZZ101" extension="M-1"');
  expect(xml).toContain('<referredToLAUploadFile><value extension="413"/>');
});

test('the CSV example in docs/council-notifications.md is what the service makes from the JSON example', () => {
  const page = readFileSync(join(root, 'docs', 'council-notifications.md'), 'utf8');
  const [, json = ''] = /```json\n(\{ "notifications": [^]*?)```/.exec(page) ?? [];
  const [, header = '', line = ''] = /```\n("notification","entry".*)\n(.*)\n```/.exec(page) ?? [];
  const made = notificationsCsv(notificationsPageSchema.parse(JSON.parse(json)).notifications);
  const [madeHeader, madeLine] = made.replace('\uFEFF', '').split('\r\n');
  expect(header).toBe(madeHeader);
  // A whole checkpoint is too long for the page.
  const short = (text = ''): string => text.replace(/"(Y3At\w{12})[^"]*"/, '"$1..."');
  expect(short(line)).toBe(short(madeLine));
});
