import { mountView } from "../../core/mount";
import { AblationPanelView } from "./view";

export default mountView(AblationPanelView);
