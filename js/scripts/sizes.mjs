// Prints the gzipped size of every bundle and fails when one is over its budget: a bundle is sent and
// kept once per widget instance.

import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = 60_000;

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const outdir = join(root, "lens_widgets", "static");
const views = globSync("src/views/*/index.tsx", { cwd: join(root, "js") });
const names = [...views.map((path) => `${basename(dirname(path))}.js`).sort(), "style.css"];

let failed = false;
for (const name of names) {
  const path = join(outdir, name);
  if (!existsSync(path)) {
    console.error(`${name.padEnd(24)} missing: run "npm run build"`);
    failed = true;
    continue;
  }
  const contents = readFileSync(path);
  const gzipped = gzipSync(contents, { level: 9 }).length;
  const over = gzipped > BUDGET_BYTES;
  failed ||= over;
  const note = over ? `  over the budget of ${BUDGET_BYTES} bytes` : "";
  console.log(
    `${name.padEnd(24)} ${String(contents.length).padStart(8)} bytes ${String(gzipped).padStart(7)} gzipped${note}`,
  );
}
process.exitCode = failed ? 1 : 0;
