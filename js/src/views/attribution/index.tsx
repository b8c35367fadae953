import { mountView } from "../../core/parts/mount";
import { AttributionPanel } from "./view";

export default mountView(AttributionPanel);
