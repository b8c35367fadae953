import { mountView } from "../../core/parts/mount";
import { ScoresPanel } from "./view";

export default mountView(ScoresPanel);
