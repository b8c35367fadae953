import { mountView } from "../../core/parts/mount";
import { WeightCircuitPanel } from "./view";

export default mountView(WeightCircuitPanel);
