import { mountView } from "../../core/mount";
import { ScoresPanel } from "./view";

export default mountView(ScoresPanel);
