/**
 * `node --require gather.cjs script`: writes the facts that devwatch would be told of the program to the file GATHER_INTO.
 * GATHER_WITH names the code that lists them, that of devwatch.
 */

const { writeFileSync } = require('node:fs');

const { GATHER_INTO: into, GATHER_WITH: code } = process.env;
delete process.env.GATHER_INTO;
delete process.env.GATHER_WITH;
delete require.cache[__filename];
const before = { ...process.env };
const { loadedFiles } = into === undefined ? {} : require(code);
if (into !== undefined) delete require.cache[code];

const onExit = () => {
  const isCommonJs = process.mainModule !== undefined;
  const { entries, late, own } = loadedFiles(isCommonJs);
  const variables = {};
  for (const [key, value] of Object.entries(process.env)) if (before[key] !== value) variables[key] = value;
  for (const key of Object.keys(before)) if (!(key in process.env)) variables[key] = null;
  writeFileSync(into, JSON.stringify({ isCommonJs, entries, late, variables, own }));
};

// Worker threads load this file, too.
if (into !== undefined) process.once('exit', onExit);
