import { mountView } from "../../core/parts/mount";
import { CompositionPanel } from "./view";

export default mountView(CompositionPanel);
