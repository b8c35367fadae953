// Builds the front end, and again whenever a source changes. A kernel started after that has it.

import { spawnSync } from "node:child_process";
import { watch } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const js = join(dirname(fileURLToPath(import.meta.url)), "..");
// An editor writes one save as several events.
const SETTLE_MS = 100;

let timer;
function build() {
  const { status } = spawnSync(process.execPath, ["build.mjs"], { cwd: js, stdio: "inherit" });
  console.log(`${new Date().toLocaleTimeString()} ${status === 0 ? "built" : "not built"}`);
}

build();
watch(join(js, "src"), { recursive: true }, () => {
  clearTimeout(timer);
  timer = setTimeout(build, SETTLE_MS);
});
