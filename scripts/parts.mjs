// The parts of main.cjs. A launch waits for the first one only: reading it, its compiled code and its evaluation take time
// and memory in proportion to its size. The others are loaded at their first use, by the descriptor by which the first one
// was read, because the file may be gone by then (src/bin.ts).

import path from 'node:path';
import { build } from 'esbuild';

const entry = 'src/cli/main.ts';

/** The parts, and the modules that belong to each. What only these import statically belongs to it, too. */
const rules = [
  // The files that run in other processes.
  ['guardian', /^[^/]+\/own-guardian\.json$/],
  ['preload', /^[^/]+\/own-preload-texts\.json$/],
  ['polling', /^src\/watch\/chokidar\.ts$/],
  ['settings-files', /^node_modules\/jsonc-parser\//],
  ['schedules', /^node_modules\/croner\//],
  // Modules that a devwatch needs when its program has been started.
  ['running', /^node_modules\/(?:kleur|picomatch)\//],
  ['running', /^src\/watch\/(?!cpu-queue|debounce|disk|loop-detector|own-writes|paths)/],
  ['running', /^src\/run\/(?:broad-roots|limitations|machine-facts|tsconfigs|watch-plan)\./],
  ['running', /^src\/process\/(?:debugger|git-processes|probe|remainder|spawn-errors)\./],
  [
    'running',
    /^src\/process\/launch\/(?:exit-codes|node-crash|packages|program-error|readers|syntax-check|unstarted-program)\./,
  ],
  ['running', /^src\/process\/sockets\/(?:port-holders|slot-receiver)\./],
  ['running', /^src\/process\/standby\/(?!pool|packages|memory|late-entries)/],
  ['running', /^src\/process\/tree\/(?:posix|windows|terminate)\./],
  ['running', /^src\/terminal\/(?:desktop-notification|hyperlink|slow-stop)\./],
];
/** Subcommands, the background, and messages for errors: the modules that the rules leave over. */
const others = 'commands';

/**
 * Divides the command into parts.
 *
 * @param options esbuild's options
 * @returns for each part its entry, by the names of the parts, and a plugin of esbuild for a part
 */
export async function divide(options) {
  const { metafile } = await build({ ...options, entryPoints: [entry], metafile: true, write: false });
  const { inputs } = metafile;
  const partOf = partsOf(inputs);
  /** The modules that other parts load. */
  const shared = new Map([...new Set(partOf.values())].map((part) => [part, new Set()]));
  for (const [file, { imports }] of Object.entries(inputs)) {
    for (const { path: imported } of imports) {
      const part = partOf.get(imported);
      if (part !== undefined && part !== partOf.get(file)) shared.get(part).add(imported);
    }
  }
  const idOf = (file) => `#${partOf.get(file)}/${file}`;
  const entryOf = (part) => {
    const files = [...shared.get(part)];
    if (part !== 'main') {
      const getters = files.map((file) => `get ${JSON.stringify(idOf(file))}() { return require('./${file}'); }`);
      return `module.exports = {${getters.join(',\n')}};`;
    }
    const names = files.map((file) => `export * as ${JSON.stringify(idOf(file))} from './${file}';`);
    return [`export { run } from './${entry}';`, ...names].join('\n');
  };
  const plugin = (part) => ({
    name: 'parts',
    setup({ onResolve, resolve }) {
      onResolve({ filter: /^[^#]/ }, async ({ path: name, pluginData, ...place }) => {
        if (pluginData === 'parts') return undefined;
        const resolved = await resolve(name, { ...place, pluginData: 'parts' });
        const file = path.relative('.', resolved.path);
        if (resolved.external || resolved.errors.length > 0 || [part, undefined].includes(partOf.get(file)))
          return resolved;
        return { path: idOf(file), external: true };
      });
    },
  });
  return [...shared.keys()].map((part) => ({ part, entry: entryOf(part), plugin: plugin(part) }));
}

/** Returns the part of each module, given all modules of the command. */
function partsOf(inputs) {
  const partOf = new Map();
  const ruled = new Map(
    Object.keys(inputs).flatMap((file) => {
      const rule = rules.find(([, pattern]) => pattern.test(file));
      return rule === undefined ? [] : [[file, rule[0]]];
    }),
  );
  const add = (part, file) => {
    if (partOf.has(file) || ![part, undefined].includes(ruled.get(file))) return;
    partOf.set(file, part);
    // Packages that a module requires, and what it imports dynamically, are loaded at their first use.
    const isPackage = file.startsWith('node_modules/');
    for (const { path: imported, kind } of inputs[file]?.imports ?? []) {
      if (imported in inputs && (kind === 'import-statement' || isPackage || imported.endsWith('.json')))
        add(part, imported);
    }
  };
  add('main', entry);
  for (const [file, part] of ruled) add(part, file);
  for (const file of Object.keys(inputs)) add(others, file);
  return partOf;
}
