import { mountView } from "../../core/parts/mount";
import { PatchingPanel } from "./view";

export default mountView(PatchingPanel);
