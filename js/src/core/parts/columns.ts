import { createContext } from "preact";

/** What the explorer's columns, which are as tall as a window, give to the parts in them. */
export interface ColumnRoom {
  /** Whether there are thumbnails of all heads, or of one layer's. */
  heads: "all" | "layer";
  /** The height of all thumbnails together, in CSS pixels. */
  thumbnails: number;
  /** The most that the cells of the map of effects may take. */
  effects: number;
  /** The side of the large pattern at most. */
  plot: number;
}

/** Null outside of columns: there the page scrolls, and a part is as tall as it needs to be. */
export const Columns = createContext<ColumnRoom | null>(null);

/** Whether a view is one of the explorer's tabs, where its controls have a line of their own. */
export const InTab = createContext(false);
