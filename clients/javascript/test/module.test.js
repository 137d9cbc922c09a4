import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

/**
 * Return the imports of a module, and recursively those of the modules it imports.
 *
 * @param {URL} module
 * @param {Map<string, string[]>} [imports]
 */
async function importsOf(module, imports = new Map()) {
  const source = await readFile(module, "utf8");
  const specifiers = Array.from(source.matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)"/gm), ([, name]) => name);
  specifiers.push(...Array.from(source.matchAll(/\bimport\s*\(?\s*"([^"]+)"/g), ([, name]) => name));
  imports.set(module.href, specifiers);
  for (const specifier of specifiers.filter((name) => name.startsWith("."))) {
    const next = new URL(specifier, module);
    if (!imports.has(next.href)) await importsOf(next, imports);
  }
  return imports;
}

test("the main module imports only its own files, so that browsers can load it", async () => {
  const imports = await importsOf(new URL(import.meta.resolve("weight-init-client")));
  assert.ok(imports.size > 5);
  for (const [module, specifiers] of imports) {
    for (const specifier of specifiers) assert.match(specifier, /^\.\//, module);
  }
});

test("the Node module exports everything that the main module does", async () => {
  const main = await import("weight-init-client");
  const node = await import("weight-init-client/node");
  for (const name of Object.keys(main)) assert.ok(name in node, name);
  assert.ok(node.Client.prototype instanceof main.Client);
});
