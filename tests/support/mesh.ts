const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** A control file as a MESH client leaves it beside a received file, with given changes. */
export function controlXml(
  differing: Record<string, string> = {},
  text: (value: string) => string = escaped,
): string {
  const {
    Event = 'TRANSFER',
    Status = 'SUCCESS',
    StatusCode = '00',
    Description = 'Transferred',
    ...rest
  } = differing;
  const fields = {
    Version: '1.0',
    AddressType: 'ALL',
    MessageType: 'Data',
    From_DTS: 'X26ABC1',
    To_DTS: 'X26CPF1',
    Subject: '',
    LocalId: 'local-1',
    DTSId: '20261124060000000000_ABCDEF',
    PartnerId: '',
    Compress: 'Y',
    Encrypted: 'N',
    WorkflowId: 'TEST_WORKFLOW',
    ProcessId: '',
    DataChecksum: '',
    IsCompressed: 'N',
    AllowChunking: 'Y',
    ...rest,
  };
  const elements = (values: Record<string, string>): string =>
    Object.entries(values)
      .map(([name, value]) => `<${name}>${text(value)}</${name}>\n`)
      .join('');
  return `<DTSControl>\n${elements(fields)}<StatusRecord>\n${elements({ DateTime: '20261124060000', Event, Status, StatusCode, Description })}</StatusRecord>\n</DTSControl>\n`;
}
