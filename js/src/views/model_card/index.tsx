import { mountView } from "../../core/mount";
import { ModelCardPanel } from "./view";

export default mountView(ModelCardPanel);
