import { mountView } from "../../core/mount";
import { LossPanel } from "./view";

export default mountView(LossPanel);
