// Builds the front end: one self-contained ES module per view and one shared style sheet.
//
//   src/views/<name>/index.tsx -> ../lens_widgets/static/<name>.js
//                              -> ../lens_widgets/static/tabs/<name>.js, for a tab of the explorer
//   import("./<file>") in <name> -> ../lens_widgets/static/tabs/<name>_<file>.js, the same of its parts
//   src/style.css              -> ../lens_widgets/static/style.css

import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, parse } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { hostedIn, hostPlugin, laterPlugin, tabPlugin, usedBy, wrapTab } from "./scripts/tabs.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const outdir = join(here, "..", "lens_widgets", "static");

const views = globSync("src/views/*/index.tsx", { cwd: here }).sort();
if (views.length === 0) {
  throw new Error("js/src/views holds no <name>/index.tsx, so there is nothing to build");
}

const nameOf = (path) => basename(dirname(path));
const common = {
  absWorkingDir: here,
  outdir,
  bundle: true,
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  define: {
    // Hosts with requirejs define a global AMD `define`; a UMD dependency that saw it would register
    // itself there and export nothing to us.
    define: "undefined",
    "process.env.NODE_ENV": '"production"',
  },
  metafile: true,
  write: false,
  logLevel: "warning",
};
// What the explorer is made of is there already when one of its tabs is opened.
const parts = new Set();
const alone = await build({
  ...common,
  format: "esm",
  entryPoints: ["src/views/explorer/index.tsx"],
  plugins: [hostPlugin(new Map()), laterPlugin(here, parts)],
});
const hosted = hostedIn(Object.keys(alone.metafile.inputs));
const tabOptions = {
  ...common,
  format: "cjs",
  entryPoints: [
    ...views
      .filter((path) => !(path.replace("index.tsx", "view.tsx") in alone.metafile.inputs))
      .map((path) => ({ in: path, out: `tabs/${nameOf(path)}` })),
    ...[...parts].map((path) => ({ in: path, out: `tabs/${nameOf(path)}_${parse(path).name}` })),
  ],
  plugins: [tabPlugin(here, hosted)],
};
const readable = await build({ ...tabOptions, minify: false });
const used = usedBy(readable.outputFiles.map(({ text }) => text));
const tabs = await build(tabOptions);
const EXPLORER = "explorer";
const explorer = await build({
  ...common,
  format: "esm",
  entryPoints: views
    .filter((path) => nameOf(path) === EXPLORER)
    .map((path) => ({ in: path, out: EXPLORER })),
  plugins: [hostPlugin(used, hosted), laterPlugin(here, parts)],
});
const own = await build({
  ...common,
  format: "esm",
  entryPoints: [
    ...views
      .filter((path) => nameOf(path) !== EXPLORER)
      .map((path) => ({ in: path, out: nameOf(path) })),
    { in: "src/style.css", out: "style" },
  ],
});
const outputFiles = [...explorer.outputFiles, ...own.outputFiles];
const outputs = { ...explorer.metafile.outputs, ...own.metafile.outputs };
const inputs = { ...explorer.metafile.inputs, ...own.metafile.inputs };

const allowed = new Set([...views.map((path) => `${nameOf(path)}.js`), "style.css"]);
for (const { path } of outputFiles) {
  if (!allowed.has(basename(path))) {
    throw new Error(
      `${basename(path)}: views must not import CSS; the style sheet is shared, so @import it in src/style.css`,
    );
  }
}
for (const [path, { imports }] of Object.entries(outputs)) {
  const outside = imports.filter((item) => item.external).map((item) => item.path);
  if (outside.length > 0) {
    throw new Error(`${basename(path)} would load ${outside.join(", ")} at run time`);
  }
}

// Files of views that no longer exist go, and with them the Python build's record of what was built.
rmSync(outdir, { recursive: true, force: true });
mkdirSync(join(outdir, "tabs"), { recursive: true });
for (const { path, contents } of outputFiles) writeFileSync(path, contents);
for (const { path, text } of tabs.outputFiles) writeFileSync(path, wrapTab(text));
writeFileSync(join(outdir, "LICENSES.txt"), licenses(Object.keys(inputs)));

/** The licence texts of the packages that went into the bundles, which must travel with them. */
function licenses(paths) {
  const packages = new Set();
  for (const path of paths) {
    const match = /node_modules\/(@[^/]+\/[^/]+|[^/]+)(?!.*node_modules)/.exec(path);
    if (match) packages.add(match[1]);
  }
  const texts = [...packages].sort().map((name) => {
    const root = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const file = existsSync(root) && readdirSync(root).find((item) => /^licen[cs]e/i.test(item));
    const text = file ? readFileSync(join(root, file), "utf8").trim() : license;
    return `${name} ${version}\n\n${text}\n`;
  });
  return `The bundles in this folder contain these packages.\n\n${texts.join(`\n${"-".repeat(72)}\n\n`)}`;
}
