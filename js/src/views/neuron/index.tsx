import { mountView } from "../../core/parts/mount";
import { NeuronPanel } from "./view";

export default mountView(NeuronPanel);
