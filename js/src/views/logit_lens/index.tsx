import { mountView } from "../../core/parts/mount";
import { LensPanel } from "./view";

export default mountView(LensPanel);
