import { mountView } from "../../core/parts/mount";
import { AttentionPanel } from "./view";

export default mountView(AttentionPanel);
