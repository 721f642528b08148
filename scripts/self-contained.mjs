// For bundles that load no file at run time: packages and data are part of them, and their licences are collected.

import fs from 'node:fs';
import path from 'node:path';

/** Returns a plugin of esbuild. `dist` is the folder that is being built. */
export const selfContained = (dist) => ({
  name: 'self-contained',
  setup({ onLoad, onResolve }) {
    // The sources load packages by the function of src/shared/require.ts at their first use. Without its import esbuild
    // takes `require` for that of CommonJS, whose packages it bundles, and evaluates each at its first use.
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path: file }) => {
      const text = fs.readFileSync(file, 'utf8');
      const contents = text.replace(/^import \{ require \} from '[^']*\/require\.ts';$/m, '');
      return contents === text ? undefined : { contents, loader: 'ts' };
    });
    // Of package.json only the version is used.
    onLoad({ filter: /[\\/]package\.json$/ }, ({ path: file }) => {
      const { version } = JSON.parse(fs.readFileSync(file, 'utf8'));
      return { contents: JSON.stringify({ version }), loader: 'json' };
    });
    onResolve({ filter: /\/dist\/[\w-]+\.json$/ }, ({ path: file }) => ({
      path: path.resolve(dist, path.basename(file)),
    }));
    // Its main file is UMD, whose own `require` esbuild cannot follow.
    onResolve({ filter: /^jsonc-parser$/ }, ({ resolveDir }) => ({
      path: path.join(packageAbove(resolveDir, 'jsonc-parser'), 'lib/esm/main.js'),
    }));
  },
});

function packageAbove(folder, name) {
  const candidate = path.join(folder, 'node_modules', name);
  return fs.existsSync(candidate) ? candidate : packageAbove(path.dirname(folder), name);
}

/** Returns the licences of all packages that are part of bundles, given esbuild's descriptions of these. */
export function licensesOf(metafiles) {
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  const folders = inputs.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []);
  const sections = [...new Set(folders)].sort().map((folder) => {
    const { name, version, license } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
    const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} has no file with its licence`);
    return `${name} ${version} (${license})\n\n${fs.readFileSync(path.join(folder, file), 'utf8').trim()}\n`;
  });
  return ['devwatch contains the following packages.\n', ...sections].join(`\n${'-'.repeat(80)}\n\n`);
}
