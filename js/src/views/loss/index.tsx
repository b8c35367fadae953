import { mountView } from "../../core/parts/mount";
import { LossPanel } from "./view";

export default mountView(LossPanel);
