import { mountView } from "../../core/mount";
import { AttributionPanel } from "./view";

export default mountView(AttributionPanel);
