import { mountView } from "../../core/mount";
import { CircuitPanel } from "./view";

export default mountView(CircuitPanel);
