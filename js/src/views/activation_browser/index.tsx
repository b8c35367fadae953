import { mountView } from "../../core/parts/mount";
import { ActivationBrowserPanel } from "./view";

export default mountView(ActivationBrowserPanel);
