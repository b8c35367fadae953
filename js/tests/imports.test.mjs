// Which file may import which. Imports of types count: a circle of types ties files together as well.

import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const src = join(dirname(fileURLToPath(import.meta.url)), "..", "src");

/** What a file of each room may import, besides files of its own room. */
const BELOW = {
  wire: [],
  generated: ["wire"],
  "core/draw": [],
  "core/state": ["wire", "generated"],
  "core/export": ["wire", "generated", "core/state", "core/draw"],
  "core/parts": ["wire", "generated", "core/state", "core/draw", "core/export"],
  public: ["wire", "generated", "core/state", "core/draw", "core/export", "core/parts"],
  views: ["wire", "generated", "core/state", "core/draw", "core/export", "core/parts"],
};

/** Each file of `src` with the files that it imports, all relative to `src`. */
function readImports() {
  const files = globSync("**/*.{ts,tsx}", { cwd: src }).map((path) => path.replaceAll("\\", "/"));
  const known = new Set(files);
  const find = (from, name) => {
    const path = join(dirname(from), name).replaceAll("\\", "/");
    const found = [`${path}.ts`, `${path}.tsx`, `${path}/index.tsx`].find((item) =>
      known.has(item),
    );
    if (!found) throw new Error(`${from} imports ${name}, which is no file of js/src`);
    return found;
  };
  return new Map(
    files.map((file) => [
      file,
      importedNames(readFileSync(join(src, file), "utf8")).map((name) => find(file, name)),
    ]),
  );
}

/** The relative names in a file's import and export statements and in its import() expressions. */
function importedNames(text) {
  const code = text.replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, "");
  return [...code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']*)["']/g)].map(
    ([, name]) => name,
  );
}

/** Groups of files that import each other, directly or through others (Tarjan's algorithm). */
function circles(imports) {
  const found = [];
  const order = new Map();
  const lowest = new Map();
  const stack = [];
  const visit = (file) => {
    order.set(file, order.size);
    lowest.set(file, order.get(file));
    stack.push(file);
    for (const other of imports.get(file) ?? []) {
      if (!order.has(other)) visit(other);
      if (stack.includes(other)) {
        lowest.set(file, Math.min(lowest.get(file), lowest.get(other)));
      }
    }
    if (lowest.get(file) !== order.get(file)) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1 || imports.get(file)?.includes(file)) found.push(group.sort());
  };
  for (const file of imports.keys()) if (!order.has(file)) visit(file);
  return found;
}

function roomOf(file) {
  return Object.keys(BELOW).find((room) => file.startsWith(`${room}/`));
}

/** Imports of a room that is not below, as `from -> to`. */
function upward(imports) {
  return [...imports].flatMap(([file, others]) => {
    const room = roomOf(file);
    const allowed = [room, ...BELOW[room]];
    return others
      .filter((other) => !allowed.includes(roomOf(other)))
      .map((other) => `${file} -> ${other}`);
  });
}

describe("imports", () => {
  const imports = readImports();

  it("are read from every kind of statement", () => {
    const code = [
      'import { a } from "./a";',
      'import type { B } from "../b";',
      'export { c } from "./c";',
      'export type { D } from "./d";',
      'import "./e";',
      'const f = await import("./f");',
      'import { h } from "preact";',
      '// import { old } from "./old";',
      "import {\n  g,\n  type G,\n} from './g';",
    ].join("\n");
    expect(importedNames(code)).toEqual(["./a", "../b", "./c", "./d", "./e", "./f", "./g"]);
    expect(imports.get("core/parts/mount.tsx")).toContain("core/state/session.ts");
  });

  it("make no circle", () => {
    const planted = new Map([
      ["a", ["b", "c"]],
      ["b", ["c"]],
      ["c", ["d"]],
      ["d", ["b"]],
      ["e", ["e"]],
    ]);
    expect(circles(planted)).toEqual([["b", "c", "d"], ["e"]]);
    expect(circles(imports)).toEqual([]);
  });

  it("point from views down through parts and export to state and draw", () => {
    const planted = new Map([["core/draw/x.ts", ["core/state/y.ts", "core/draw/z.ts"]]]);
    expect(upward(planted)).toEqual(["core/draw/x.ts -> core/state/y.ts"]);
    expect([...imports.keys()].filter((file) => !roomOf(file))).toEqual([]);
    expect(upward(imports)).toEqual([]);
  });
});
