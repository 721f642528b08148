/** `node --require gather.cjs script`: writes the facts that devwatch would be told of the program to the file GATHER_INTO. */

const { writeFileSync } = require('node:fs');

const { GATHER_INTO: into } = process.env;
delete process.env.GATHER_INTO;
delete require.cache[__filename];
const before = { ...process.env };
const isInstalled = (file) => file.includes('/node_modules/');

const onExit = () => {
  const isCommonJs = process.mainModule !== undefined;
  const entries = Object.entries(require('node:module')._cache).flatMap(([file, { parent }]) => {
    const asking = parent?.filename ?? parent?.id;
    if (!isInstalled(file)) return [];
    if (asking === undefined) return isCommonJs ? [] : [{ file, kind: 'import' }];
    return isInstalled(asking) || !asking.startsWith('/') ? [] : [{ file, parent: asking, kind: 'require' }];
  });
  const variables = {};
  for (const [key, value] of Object.entries(process.env)) if (before[key] !== value) variables[key] = value;
  for (const key of Object.keys(before)) if (!(key in process.env)) variables[key] = null;
  writeFileSync(into, JSON.stringify({ isCommonJs, entries, variables, own: [] }));
};

// Worker threads load this file, too.
if (into !== undefined) process.once('exit', onExit);
