// Build dist/: ES modules, CommonJS, a minified file for <script>, and the types of each.
import { copyFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

const folder = new URL("dist/", import.meta.url);
const common = { entryPoints: ["src/index.js"], bundle: true, target: "es2022", absWorkingDir: import.meta.dirname };

rmSync(folder, { recursive: true, force: true });
await build({ ...common, format: "esm", outfile: "dist/index.js" });
await build({ ...common, format: "cjs", platform: "node", outfile: "dist/index.cjs" });
await build({ ...common, format: "iife", globalName: "tap2", minify: true, outfile: "dist/personalize.min.js" });
for (const name of ["index.d.ts", "index.d.cts"]) copyFileSync("src/index.d.ts", new URL(name, folder));
