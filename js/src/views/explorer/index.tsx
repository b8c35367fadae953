import { mountView } from "../../core/mount";
import { ExplorerPanel } from "./view";

export default mountView(ExplorerPanel);
