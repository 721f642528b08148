// The least reloader in Node: spawns the program and watches each folder of the project, but does not react to
// changes. Lower bound for launch time and memory.

const { spawn } = require('node:child_process');
const fs = require('node:fs');

const child = spawn(process.execPath, process.argv.slice(2), { stdio: 'inherit' });
process.on('SIGTERM', () => {
  child.kill();
  process.exit();
});
setImmediate(() => {
  for (const entry of ['.', ...fs.readdirSync('.')]) if (fs.statSync(entry).isDirectory()) fs.watch(entry);
});
