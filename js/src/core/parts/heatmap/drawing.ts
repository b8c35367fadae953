import type { Look, Theme } from "../../draw/theme";
import type { MapLayout, Scroll } from "./layout";
import type { MapMarks, MapPicture } from "./types";

/** A map's picture, and all that says where and how it is drawn. */
export interface MapDrawing {
  context: CanvasRenderingContext2D;
  picture: MapPicture;
  layout: MapLayout;
  scroll: Scroll;
  marks: MapMarks;
  theme: Theme;
  look: Look;
}
