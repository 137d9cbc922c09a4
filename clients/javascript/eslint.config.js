import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import globals from "globals";

export default defineConfig([
  globalIgnores(["types/"]),
  js.configs.recommended,
  { languageOptions: { globals: globals["shared-node-browser"] } },
  { files: ["test/**", "examples/**"], languageOptions: { globals: globals.node } },
  {
    files: ["src/**"],
    ignores: ["src/node.js"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ regex: "^[^.]", message: "Browsers load this file, so it cannot import packages." }] },
      ],
    },
  },
  {
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
      "object-shorthand": "error",
      complexity: ["error", 8],
      "max-lines-per-function": ["error", 40],
    },
  },
]);
