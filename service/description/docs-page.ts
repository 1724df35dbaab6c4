import { createHash } from 'node:crypto';
import { ERRORS } from '#schemas/errors.ts';
import type {
  DescribedOperation,
  DescribedParameter,
  DescribedResponse,
  JsonSchema,
  MediaTypes,
  OpenApi,
} from './openapi.ts';

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replaceAll(/[&<>"]/g, (each) => ENTITIES[each] ?? '');

/** Text of the description, which may hold `code`, **strong** words and paragraphs. */
function inline(text: string): string {
  return escape(text)
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>')
    .replaceAll(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>');
}
const paragraphs = (text: string): string =>
  text
    .split('\n\n')
    .map((each) => `<p>${inline(each)}</p>`)
    .join('\n');

const code = (value: unknown): string =>
  `<pre tabindex="0"><code>${escape(JSON.stringify(value, null, 2))}</code></pre>`;

const list = (values: unknown): string =>
  Array.isArray(values)
    ? values.map((value) => `<code>${escape(String(value))}</code>`).join(', ')
    : '';

function typeOf(schema: JsonSchema): string {
  const { $ref, type, format, items, anyOf } = schema;
  if (typeof $ref === 'string') {
    const name = $ref.split('/').at(-1) ?? '';
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (Array.isArray(anyOf)) return anyOf.map((each) => typeOf(each as JsonSchema)).join(' or ');
  if (Array.isArray(schema['enum'])) {
    const [only, ...others] = schema['enum'] as unknown[];
    return others.length > 0
      ? `one of ${list(schema['enum'])}`
      : `<code>${escape(JSON.stringify(only))}</code>`;
  }
  if (type === 'array') return `list of ${typeOf((items ?? {}) as JsonSchema)}`;
  return [type, format]
    .filter((each) => typeof each === 'string')
    .map(escape)
    .join(', ');
}

type Row = { name: string; required: boolean; schema: JsonSchema };

/** The members of an object, including nested ones. */
function members(schema: JsonSchema, within = ''): Row[] {
  const { properties, required } = schema as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  return Object.entries(properties ?? {}).flatMap(([name, member]) => {
    const inner = member['type'] === 'array' ? (member['items'] as JsonSchema) : member;
    const path = `${within}${name}${inner === member ? '' : '[]'}`;
    return [
      { name: path, required: required?.includes(name) === true, schema: member },
      ...members(inner, `${path}.`),
    ];
  });
}

function table(caption: string, heads: readonly string[], rows: readonly string[][]): string {
  if (rows.length === 0) return '';
  const head = heads.map((each) => `<th scope="col">${each}</th>`).join('');
  const body = rows
    .map(([first = '', ...rest]) => {
      const cells = rest.map((cell) => `<td>${cell}</td>`).join('');
      return `<tr><th scope="row">${first}</th>${cells}</tr>`;
    })
    .join('\n');
  return `<div class="wide" role="region" aria-label="${escape(caption)}" tabindex="0"><table><caption>${escape(caption)}</caption><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table></div>`;
}

const need = (required: boolean | undefined): string => (required === true ? 'yes' : '');

function parametersTable(of: string, parameters: readonly DescribedParameter[] = []): string {
  return table(
    `Parameters and headers of “${of}”`,
    ['Name', 'In', 'Type', 'Required', 'Says'],
    parameters.map(({ name, in: where, required, description, schema }) => [
      `<code>${escape(name)}</code>`,
      where,
      typeOf(schema),
      need(required),
      inline(description),
    ]),
  );
}

/** The members of an unnamed object. */
const membersTable = (caption: string, schema: JsonSchema): string =>
  table(
    caption,
    ['Member', 'Type', 'Required', 'Says'],
    members(schema).map(({ name, required, schema: of }) => [
      `<code>${escape(name)}</code>`,
      typeOf(of),
      need(required),
      typeof of['description'] === 'string' ? inline(of['description']) : '',
    ]),
  );

function content(title: string, of: string, types: MediaTypes): string {
  return Object.entries(types)
    .map(([type, { schema = {}, example }]) => {
      const shown = example === undefined ? '' : code(example);
      const inside = membersTable(`${title} of “${of}”`, schema);
      return `<p class="media"><span class="label">${title}</span> <code>${escape(type)}</code> ${typeOf(schema)}</p>${inside}${shown}`;
    })
    .join('\n');
}

function responsesTable(of: string, responses: Record<string, DescribedResponse>): string {
  const refused = Object.entries(responses).filter(([status]) => status !== '200');
  const described = ({ description }: DescribedResponse): string =>
    inline(description).replaceAll(
      /<code>([a-z0-9-]+)<\/code>: ([^.]*)\. ?/g,
      (all, name: string) =>
        Object.hasOwn(ERRORS, name)
          ? `<a class="code" href="#error-${name}"><code>${name}</code></a> `
          : all,
    );
  return table(
    `Answers of “${of}” that are not 200`,
    ['Status', 'Codes'],
    refused.map(([status, response]) => [status, described(response)]),
  );
}

function operation(path: string, method: string, described: DescribedOperation): string {
  const { operationId, summary, description, security, parameters, requestBody, responses } =
    described;
  const answer = responses['200'];
  const open = security.length === 0;
  return `<section class="operation" id="${operationId}" aria-labelledby="${operationId}-title">
<h3 id="${operationId}-title">${inline(summary)} <a class="anchor" href="#${operationId}" aria-label="Link to ${escape(summary)}">#</a></h3>
<p class="address"><span class="method ${method}">${method.toUpperCase()}</span> <code>${escape(path)}</code> <span class="who">${open ? 'no token' : 'bearer token'}</span></p>
${description === undefined ? '' : paragraphs(description)}
${parametersTable(summary, parameters)}
${requestBody === undefined ? '' : content('Body', summary, requestBody.content)}
${answer === undefined ? '' : `<p><strong>200</strong> ${inline(answer.description)}</p>${content('Answer', summary, answer.content)}`}
${responsesTable(summary, responses)}
</section>`;
}

function schemaSection(name: string, schema: JsonSchema): string {
  const { description } = schema as { description?: string };
  const examples = schema['examples'];
  return `<section id="schema-${name}" aria-labelledby="schema-${name}-title">
<h3 id="schema-${name}-title">${name}</h3>
${description === undefined ? '' : paragraphs(description)}
${membersTable(`Members of ${name}`, schema)}
${Array.isArray(examples) ? examples.map(code).join('\n') : ''}
</section>`;
}

const errorsTable = (): string =>
  table(
    'Every code',
    ['Code', 'Status', 'FHIR', 'Again?', 'Means, and what to do'],
    Object.entries(ERRORS).map(([name, { status, fhir, retryable, title, detail }]) => [
      `<code id="error-${name}">${name}</code>`,
      String(status),
      fhir,
      retryable ? 'later' : '',
      `<strong>${escape(title)}.</strong> ${escape(detail)}`,
    ]),
  );

const STYLE = `
:root { color-scheme: light dark; --ink: #1b2733; --soft: #4a5a68; --paper: #fff; --panel: #f3f6f8; --line: #d3dce3; --link: #0b5cab; --get: #0a6b4a; --post: #7a3e00; --mark: #fff3c4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4ebf0; --soft: #a9b8c4; --paper: #12181d; --panel: #1b242b; --line: #34424d; --link: #7cbcff; --get: #6fd6ad; --post: #f2b277; --mark: #4a3d00; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 1rem/1.55 system-ui, "Segoe UI", Roboto, Arial, sans-serif; display: grid; grid-template-columns: 18rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem 1.25rem; background: var(--panel); border-right: 1px solid var(--line); font-size: .925rem; }
nav h2 { font-size: .8rem; letter-spacing: .05em; text-transform: uppercase; color: var(--soft); margin: 1.25rem 0 .35rem; padding: 0; border: 0; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { margin: .15rem 0; }
nav a { display: block; padding: .2rem .3rem; text-decoration: none; border-radius: .25rem; }
nav a:hover { text-decoration: underline; }
main { max-width: 62rem; padding: 2rem 2.5rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.5rem; margin: 3rem 0 .5rem; padding-bottom: .35rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1.15rem; margin: 2.25rem 0 .4rem; }
a { color: var(--link); }
a:focus-visible, .wide:focus-visible, pre:focus-visible, code:target { outline: 3px solid #ffb81c; outline-offset: 2px; }
.anchor { text-decoration: none; font-weight: 400; color: var(--soft); }
.version, .who, caption, .label { color: var(--soft); }
.address { display: flex; flex-wrap: wrap; gap: .6rem; align-items: baseline; margin: .25rem 0 .75rem; }
.address code { font-size: 1.05rem; font-weight: 600; overflow-wrap: anywhere; }
.method { font: 700 .8rem/1 ui-monospace, Menlo, Consolas, monospace; padding: .3rem .5rem; border: 2px solid currentColor; border-radius: .3rem; }
.get { color: var(--get); } .post { color: var(--post); }
.who { font-size: .85rem; }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .9em; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .9rem 1rem; overflow: auto; max-height: 26rem; line-height: 1.45; white-space: pre-wrap; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; }
caption { text-align: left; font-size: .85rem; padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); font-weight: 400; }
thead th { font-weight: 600; }
.code { display: inline-block; margin: 0 .5rem .15rem 0; }
.media { margin: 1rem 0 .25rem; }
.warning { background: var(--mark); border-left: 5px solid #ffb81c; padding: .75rem 1rem; margin: 1rem 0; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem; z-index: 1; }
@media (max-width: 56rem) { table { min-width: 38rem; } body { display: block; } nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); } main { padding: 1.25rem; } }
@media print { nav, .skip, .anchor { display: none; } body { display: block; } pre { max-height: none; } }
`;

/** Allows the page its own style, and nothing else. */
export const PAGE_POLICY = `default-src 'none'; img-src data:; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The description as one page for people: no script, nothing fetched, for keyboard and print alike. */
export function apiPage(api: OpenApi): string {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({ path, method, described })),
  );
  const of = (tag: string) => operations.filter(({ described }) => described.tags.includes(tag));
  const anchorOf = (tag: string): string => `tag-${tag.toLowerCase().replaceAll(/\W+/g, '-')}`;
  const { title, summary, description, version } = api.info as Record<string, string>;
  const schemas = Object.entries(api.components['schemas'] ?? {});
  const links = (all: readonly (readonly [href: string, text: string])[]): string =>
    `<ul>${all.map(([href, text]) => `<li><a href="#${href}">${inline(text)}</a></li>`).join('')}</ul>`;
  return `<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escape(title ?? '')} API</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<nav aria-label="Contents">
<a href="#content"><strong>${escape(title ?? '')} API</strong></a>
${api.tags
  .map(
    ({ name }) =>
      `<h2>${escape(name)}</h2>${links(of(name).map(({ described }) => [described.operationId, described.summary]))}`,
  )
  .join('\n')}
<h2>Reference</h2>${links([
    ['errors', 'Error codes'],
    ...schemas.map(([name]) => [`schema-${name}`, name] as const),
  ])}
</nav>
<main id="content">
<h1>${escape(title ?? '')} API</h1>
<p class="version">Version ${escape(version ?? '')}. ${escape(summary ?? '')}. As a file for programs: <a href="openapi.json">openapi.json</a>, OpenAPI 3.1.</p>
<div class="warning">${paragraphs(description ?? '')}</div>
${api.tags
  .map(
    ({ name, description: about }) =>
      `<h2 id="${anchorOf(name)}">${escape(name)}</h2>\n${paragraphs(about)}\n${of(name)
        .map(({ path, method, described }) => operation(path, method, described))
        .join('\n')}`,
  )
  .join('\n')}
<h2 id="errors">Error codes</h2>
<p>A program tells refusals apart by <code>code</code>; on FHIR it is the second coding of <code>issue[0].details</code>. The wording is constant and repeats nothing that was sent.</p>
${errorsTable()}
<h2 id="schemas">Shapes</h2>
${schemas.map(([name, schema]) => schemaSection(name, schema)).join('\n')}
</main>
</body>
</html>
`;
}
