import { mountView } from "../../core/parts/mount";
import { TokenPanel } from "./view";

export default mountView(TokenPanel);
