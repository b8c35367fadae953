import { mountView } from "../../core/parts/mount";
import { CircuitPanel } from "./view";

export default mountView(CircuitPanel);
