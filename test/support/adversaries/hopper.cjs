// The same in Node: spawns itself detached and exits.
const fs = require('node:fs');
const [register, leash] = process.argv.slice(2);
if (fs.existsSync(leash)) {
  fs.appendFileSync(register, `${process.pid}\n`);
  require('node:child_process')
    .spawn(process.execPath, [__filename, register, leash], { detached: true, stdio: 'ignore' })
    .unref();
}
