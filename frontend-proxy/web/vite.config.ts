import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

import pkg from './package.json' with { type: 'json' };

// Where `npm run dev` finds the rest of the system: a running frontend-proxy, or `npm run mock`.
const backend = 'http://localhost:3000';

export default defineConfig({
  plugins: [react()],
  define: {
    __APP_VERSION__: JSON.stringify(pkg.version),
  },
  build: {
    // Inlined assets become `data:` addresses, and the page's CSP allows those for images only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: true,
  },
  server: {
    proxy: {
      // The origin is rewritten because the proxy refuses writes whose `Origin` is not its own (CSRF).
      '/api': { target: backend, changeOrigin: true, headers: { origin: backend } },
      '/v1': { target: backend, changeOrigin: true, headers: { origin: backend } },
      '/rollbar': { target: backend, changeOrigin: true, headers: { origin: backend } },
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
  },
});
