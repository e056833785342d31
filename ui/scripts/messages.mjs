// Every language says everything, with the same parameters, and nothing is said that nobody uses.
import { readFile, readdir } from 'node:fs/promises';

const dir = new URL('../messages/', import.meta.url);
const src = new URL('../src/', import.meta.url);
const read = async (file) => JSON.parse(await readFile(new URL(file, dir), 'utf8'));
const params = (text) => [...String(text).matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort().join(',');

const problems = [];
const base = await read('en.json');
for (const file of await readdir(dir)) {
  const other = await read(file);
  for (const key of new Set([...Object.keys(base), ...Object.keys(other)])) {
    if (!(key in other)) problems.push(`${file}: ${key} is missing`);
    else if (!(key in base)) problems.push(`${file}: ${key} is in no other language`);
    else if (params(base[key]) !== params(other[key])) problems.push(`${file}: ${key} has other parameters`);
  }
}
let code = '';
for (const entry of await readdir(src, { recursive: true, withFileTypes: true })) {
  const path = `${entry.parentPath}/${entry.name}`;
  if (entry.isFile() && /\.(ts|svelte)$/.test(entry.name) && !path.includes('paraglide')) code += await readFile(path, 'utf8');
}
for (const key of Object.keys(base)) {
  if (key !== '$schema' && !new RegExp(`\\bm\\.${key}\\b`).test(code)) problems.push(`${key} is used nowhere`);
}
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
