/// <reference types="vitest/config" />
/** How the page is built, served while developing, and tested. */

import vue from '@vitejs/plugin-vue'
import { defineConfig, type Plugin } from 'vite'
import { packed } from './packing.ts'

/** Where `npm run dev` finds the manager: its default `--listen`. */
const MANAGER = 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [vue(), keepGitignore(), packed()],
  build: {
    // Small pictures as data: URLs would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    // Every browser that is new enough for the page preloads modules by itself.
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { '/api': { target: MANAGER, ws: true } },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts', '*.test.ts'],
    restoreMocks: true,
    unstubGlobals: true,
  },
})

/**
 * `dist/` is kept in git with only its `.gitignore`, so that the manager can embed the folder before the page was ever
 * built. Vite empties the folder first, so the file is part of what is built.
 */
function keepGitignore(): Plugin {
  return {
    name: 'keep-gitignore',
    apply: 'build',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: '.gitignore', source: '*\n!.gitignore\n' })
    },
  }
}
