import { mountView } from "../../core/mount";
import { AttentionPanel } from "./view";

export default mountView(AttentionPanel);
