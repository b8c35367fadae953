// Builds a view that lives outside of this package into one self-contained ES module:
//
//   node scripts/build_view.mjs path/to/view.tsx path/to/view.js
//
// Its source imports what it is written with from "lens-widgets" (see src/public/index.ts).

import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const [source, target] = process.argv.slice(2);
if (!source || !target) throw new Error("usage: node scripts/build_view.mjs view.tsx view.js");
const js = join(dirname(fileURLToPath(import.meta.url)), "..");

await build({
  entryPoints: [resolve(source)],
  outfile: resolve(target),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  alias: { "lens-widgets": join(js, "src", "public", "index.ts") },
  nodePaths: [join(js, "node_modules")],
  // A host's AMD loader must not take the module's parts for its own.
  define: { define: "undefined", "process.env.NODE_ENV": '"production"' },
});
