import { mountView } from "../../core/mount";
import { ActivationBrowserPanel } from "./view";

export default mountView(ActivationBrowserPanel);
