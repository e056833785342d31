// Makes src/lib/api.ts from the checked-in schema of the API. `--check` fails when it is stale instead of writing it.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { compile } from 'json-schema-to-typescript';

const schemaFile = new URL('../../src-tauri/api/schema/api.json', import.meta.url);
const typesFile = new URL('../src/lib/api.ts', import.meta.url);

const text = await readFile(schemaFile, 'utf8');
const schema = JSON.parse(text);
const hash = createHash('sha256').update(text).digest('hex');

// JSON Schema tells integers, ranges and patterns; TypeScript has no use for them, nor for their notes.
const strip = (node) => {
  if (Array.isArray(node)) return node.map(strip);
  if (node === null || typeof node !== 'object') return node;
  // A reference with a note beside it would become a type of its own.
  if (typeof node.$ref === 'string') return { $ref: node.$ref };
  const out = {};
  for (const [key, value] of Object.entries(node)) {
    if (['format', 'minimum', 'maximum', 'pattern'].includes(key)) continue;
    out[key] = strip(value);
  }
  return out;
};

const root = strip(schema);
root.type = 'object';
root.additionalProperties = false;
// One property for each type, so that each gets its name.
root.properties = Object.fromEntries(Object.keys(root.$defs).map((name) => [name, { $ref: `#/$defs/${name}` }]));
root.required = Object.keys(root.properties);

const types = await compile(root, 'AnteroomApi', {
  additionalProperties: false,
  bannerComment: `// Made by scripts/types.mjs from src-tauri/api/schema/api.json. Do not edit.\n// schema sha256 ${hash}`,
  style: { singleQuote: true },
});

if (process.argv.includes('--check')) {
  const now = await readFile(typesFile, 'utf8').catch(() => '');
  if (now !== types) {
    console.error('src/lib/api.ts is stale: run `npm run types`');
    process.exit(1);
  }
} else {
  await writeFile(typesFile, types);
}
