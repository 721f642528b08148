// Less than this no reloader written for Node can be: it spawns the program, and subscribes to each
// folder of the project with what Node has for that. It reacts to nothing.

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
