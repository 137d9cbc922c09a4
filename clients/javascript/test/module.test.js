import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

/**
 * What a module imports, and what these import.
 *
 * @param {URL} module
 * @param {Map<string, string[]>} [found]
 */
async function importsOf(module, found = new Map()) {
  const source = await readFile(module, "utf8");
  const specifiers = Array.from(source.matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)"/gm), ([, name]) => name);
  specifiers.push(...Array.from(source.matchAll(/\bimport\s*\(?\s*"([^"]+)"/g), ([, name]) => name));
  found.set(module.href, specifiers);
  for (const specifier of specifiers.filter((name) => name.startsWith("."))) {
    const next = new URL(specifier, module);
    if (!found.has(next.href)) await importsOf(next, found);
  }
  return found;
}

test("the main module imports nothing but its own files, so that browsers load it", async () => {
  const imports = await importsOf(new URL(import.meta.resolve("weight-init-client")));
  assert.ok(imports.size > 5);
  for (const [module, specifiers] of imports) {
    for (const specifier of specifiers) assert.match(specifier, /^\.\//, module);
  }
});

test("the module for Node exports all of the main one", async () => {
  const main = await import("weight-init-client");
  const node = await import("weight-init-client/node");
  for (const name of Object.keys(main)) assert.ok(name in node, name);
  assert.ok(node.Client.prototype instanceof main.Client);
});
