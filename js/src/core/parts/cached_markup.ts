import { Component, h, type JSX } from "preact";

interface CachedMarkupProps {
  make: () => JSX.Element | null;
  deps: readonly unknown[];
}

/** Rendered anew when one of its `deps` is another one. */
class CachedMarkup extends Component<CachedMarkupProps> {
  override shouldComponentUpdate({ deps }: CachedMarkupProps): boolean {
    return deps.some((dep, index) => !Object.is(dep, this.props.deps[index]));
  }

  override render({ make }: CachedMarkupProps): JSX.Element | null {
    return make();
  }
}

/**
 * Markup that stays as it is while `deps` are the same. Not `useMemo`: markup kept in a hook goes on
 * pointing at the tree it was first put into, and through that at every tree before it.
 */
export function useCachedMarkup(
  make: () => JSX.Element | null,
  deps: readonly unknown[],
): JSX.Element {
  return h(CachedMarkup, { make, deps });
}
