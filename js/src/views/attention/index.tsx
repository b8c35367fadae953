import { mountView, type PanelProps } from "../../core/parts/mount";
import { Strip } from "./strip";
import { AttentionPanel } from "./view";

export default mountView((props: PanelProps) => <AttentionPanel {...props} Strip={Strip} />);
