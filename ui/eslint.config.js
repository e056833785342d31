import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default ts.config(
  { ignores: ['dist/', 'node_modules/', 'src/paraglide/', 'src/lib/api.ts', 'e2e/shots/'] },
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  {
    files: ['src/**/*.{ts,svelte}'],
    languageOptions: { globals: globals.browser },
    rules: {
      'no-console': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'svelte/no-at-html-tags': 'error',
      'svelte/no-inline-styles': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig } },
  },
  { files: ['e2e/**/*.mjs', 'scripts/**/*.mjs', '*.js'], languageOptions: { globals: globals.node } },
);
