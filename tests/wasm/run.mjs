// Calls `run` of a WebAssembly module, which takes nothing from outside, and ends with what it says.
//
//     node run.mjs target/wasm32-unknown-unknown/debug/wasm.wasm
import { readFile } from "node:fs/promises";
import process from "node:process";

const module = await WebAssembly.compile(await readFile(process.argv[2]));
const imports = WebAssembly.Module.imports(module);
if (imports.length > 0) {
  console.error("the module asks for", imports);
  process.exit(1);
}
const { exports } = await WebAssembly.instantiate(module, {});
const failed = exports.run();
console.log(failed === 0 ? "trained and predicted" : `check ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
