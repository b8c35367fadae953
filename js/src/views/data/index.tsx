import { mountView } from "../../core/parts/mount";
import { DataPanel } from "./view";

export default mountView(DataPanel);
