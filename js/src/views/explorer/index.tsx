import { mountView } from "../../core/parts/mount";
import { ExplorerPanel } from "./view";

export default mountView(ExplorerPanel);
