import { defineConfig } from 'vitest/config';

// Only what is pure is tested here; the page itself is tested in a browser, see e2e/.
export default defineConfig({ test: { environment: 'node', include: ['src/**/*.test.ts'] } });
