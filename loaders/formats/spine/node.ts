import type { SaxesTagNS } from 'saxes';

/** The XPath of the reader's position. */
export type Path = () => string;

/** One element that the reader knows. Unnamed children are skipped, unread. */
export type Node = {
  child?(local: string, tag: SaxesTagNS): Node | undefined;
  open?(tag: SaxesTagNS, path: Path): void;
  close?(path: Path): void;
  /** Wanted for very few elements: the text of any other is never copied. */
  text?(text: string): void;
  /** Numbered in paths. */
  repeats?: true;
};

export const SKIPPED: Node = {};

export function attribute(tag: SaxesTagNS, name: string): string | undefined {
  return tag.attributes[name]?.value;
}

/** Children by name, each made when first met. */
export function elements(children: Record<string, () => Node>): Node {
  return { child: (local) => (Object.hasOwn(children, local) ? children[local]?.() : undefined) };
}
