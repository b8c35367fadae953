import { mountView, type PanelProps } from "../../core/parts/mount";
import { EffectMap } from "./map";
import { AttributionPanel } from "./view";

// The explorer has a map of its own, and no room for this one.
export default mountView((props: PanelProps) => (
  <AttributionPanel {...props} EffectMap={EffectMap} />
));
