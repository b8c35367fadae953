import { mountView } from "../../core/parts/mount";
import { ModelCardPanel } from "./view";

export default mountView(ModelCardPanel);
