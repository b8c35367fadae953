import { mountView } from "../../core/mount";
import { PatchingPanel } from "./view";

export default mountView(PatchingPanel);
