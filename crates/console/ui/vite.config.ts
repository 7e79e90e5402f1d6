import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
  build: {
    // Inlined assets become `data:` addresses, and the page's CSP allows those for images only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: true,
  },
  server: {
    // Where `npm run dev` finds a console: a running one, or `npm run mock`.
    proxy: {
      '/api': { target: 'http://localhost:4380', changeOrigin: true },
      // X-Ray's own API, which refuses pages of other origins.
      '^/(TraceSummaries|Traces|TraceGraph|ServiceGraph|Groups)$': {
        target: 'http://localhost:4380',
        changeOrigin: true,
        headers: { origin: 'http://localhost:4380' },
      },
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
  },
});
