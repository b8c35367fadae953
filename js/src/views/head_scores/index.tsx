import { mountView } from "../../core/parts/mount";
import { HeadScoresPanel } from "./view";

export default mountView(HeadScoresPanel);
