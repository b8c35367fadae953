// Views as tabs of the explorer, and parts that it loads when they are wanted: built without the modules that the explorer has, which it hands over when
// a tab is opened. So a tab shares its session, its signals and its Preact, and is a few kilobytes.

import { relative, resolve } from "node:path";

const HOST = "lw-host";
const LATER = "lw-later";
/** Packages and rooms of which there must be one, and which the explorer's bundle offers to its tabs. */
const OFFERED = /^(src\/(core|generated|wire|views)\/|node_modules\/)/;

/** The modules of a bundle that its tabs need not bring, as paths below the front end's folder. */
export function hostedIn(inputs) {
  return inputs.filter((path) => OFFERED.test(path)).sort();
}

/** Of each hosted module the exports that tabs use, read from how esbuild writes a bundle's imports. */
export function usedBy(codes) {
  const used = new Map();
  for (const code of codes) {
    const imports = /^var (\w+) = (?:__toESM\()?require\("(.+?)"\)/gm;
    for (const [, variable, path] of code.matchAll(imports)) {
      const names = [...code.matchAll(new RegExp(`\\b${variable}\\.(\\w+)`, "g"))];
      if (!used.has(path)) used.set(path, new Set());
      for (const [, name] of names) used.get(path).add(name);
    }
    const required = [...code.matchAll(/\brequire\("(.+?)"\)/g)];
    const unknown = required.map(([, path]) => path).filter((path) => !used.has(path));
    if (unknown.length > 0) throw new Error(`a tab requires ${unknown.join(", ")} in another way`);
  }
  return used;
}

/** Makes `lw-host` a module whose `modules` are these exports, by the number of the hosted module. */
export function hostPlugin(used, hosted = []) {
  return {
    name: HOST,
    setup(build) {
      build.onResolve({ filter: /^lw-host$/ }, () => ({ path: HOST, namespace: HOST }));
      build.onLoad({ filter: /.*/, namespace: HOST }, () => {
        const imports = [];
        const entries = [];
        for (const [number, names] of [...used].sort()) {
          const path = hosted[Number.parseInt(number, 36)];
          const own = [...names].sort().map((name) => [name, `m${number}_${name}`]);
          const list = own.map(([name, local]) => `${name} as ${local}`).join(", ");
          imports.push(`import { ${list} } from "./${path}";`);
          const fields = own.map(([name, local]) => `${name}: ${local}`).join(", ");
          entries.push(`"${number}": { ${fields} }`);
        }
        const contents = [...imports, `export const modules = { ${entries.join(", ")} };`];
        const resolveDir = build.initialOptions.absWorkingDir;
        return { contents: contents.join("\n"), resolveDir, loader: "js" };
      });
    },
  };
}

/** Leaves parts that are imported when they are wanted out of a bundle; notes their paths. */
export function laterPlugin(root, parts) {
  return {
    name: "lw-later",
    setup(build) {
      build.onResolve(
        { filter: /.*/ },
        async ({ path, importer, kind, resolveDir, pluginData }) => {
          if (pluginData === LATER || kind !== "dynamic-import" || !path.startsWith("."))
            return undefined;
          const found = await build.resolve(path, {
            importer,
            kind,
            resolveDir,
            pluginData: LATER,
          });
          if (found.errors.length > 0) return { errors: found.errors };
          parts.add(relative(root, found.path).replaceAll("\\", "/"));
          return { path: LATER, namespace: LATER };
        },
      );
      build.onLoad({ filter: /.*/, namespace: LATER }, () => ({ contents: "export {};" }));
    },
  };
}

/** Leaves what the explorer offers to be asked of it. */
export function tabPlugin(root, hosted) {
  // A number is short; explorer and tabs are always of one build.
  const known = new Map(hosted.map((path, index) => [path, index.toString(36)]));
  return {
    name: "lw-tab",
    setup(build) {
      build.onResolve(
        { filter: /.*/ },
        async ({ path, importer, kind, resolveDir, pluginData }) => {
          if (pluginData === HOST || kind === "entry-point") return undefined;
          const found = await build.resolve(path, { importer, kind, resolveDir, pluginData: HOST });
          if (found.errors.length > 0) return { errors: found.errors };
          const name = relative(root, resolve(found.path)).replaceAll("\\", "/");
          // Else esbuild goes on by itself, which also reads how this project writes JSX.
          return known.has(name) ? { path: known.get(name), external: true } : undefined;
        },
      );
    },
  };
}

/** A module whose default export makes the tab's own exports from the explorer's modules. */
export function wrapTab(code) {
  return `export default (require) => {
const module = { exports: {} };
(function (exports, module) {
${code}
})(module.exports, module);
return module.exports;
};
`;
}
