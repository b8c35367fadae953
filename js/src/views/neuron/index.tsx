import { mountView } from "../../core/mount";
import { NeuronPanel } from "./view";

export default mountView(NeuronPanel);
