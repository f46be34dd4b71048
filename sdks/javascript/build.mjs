// Build dist/: ES modules, CommonJS, minified files for <script>, and the types of each.
import { copyFileSync, rmSync } from "node:fs";
import { build } from "esbuild";

const folder = new URL("dist/", import.meta.url);
const common = { bundle: true, target: "es2022", absWorkingDir: import.meta.dirname };
const SCRIPTS = { index: "personalize.min.js", consent: "consent.min.js", offline: "offline.min.js" };
const GLOBALS = { index: "tap2", consent: "tap2Consent", offline: "tap2Offline" };

rmSync(folder, { recursive: true, force: true });
for (const [name, script] of Object.entries(SCRIPTS)) {
  const entry = { ...common, entryPoints: [`src/${name}.js`] };
  const globalName = GLOBALS[name];
  await build({ ...entry, format: "esm", outfile: `dist/${name}.js` });
  await build({ ...entry, format: "cjs", platform: "node", outfile: `dist/${name}.cjs` });
  await build({ ...entry, format: "iife", globalName, minify: true, outfile: `dist/${script}` });
  for (const types of [`${name}.d.ts`, `${name}.d.cts`]) copyFileSync(`src/${name}.d.ts`, new URL(types, folder));
}
