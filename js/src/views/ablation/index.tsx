import { mountView } from "../../core/parts/mount";
import { AblationPanelView } from "./view";

export default mountView(AblationPanelView);
