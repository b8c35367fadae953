import { mountView } from "../../core/mount";
import { CompositionPanel } from "./view";

export default mountView(CompositionPanel);
