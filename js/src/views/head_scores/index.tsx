import { mountView } from "../../core/mount";
import { HeadScoresPanel } from "./view";

export default mountView(HeadScoresPanel);
