import { mountView } from "../../core/mount";
import { TokenPanel } from "./view";

export default mountView(TokenPanel);
