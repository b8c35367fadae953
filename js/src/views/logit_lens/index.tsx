import { mountView } from "../../core/mount";
import { LensPanel } from "./view";

export default mountView(LensPanel);
