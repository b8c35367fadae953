export { CopyButton } from "../../core/takeaway/copy";
