// The program that each tool runs: records at its first line which processes of earlier generations are alive, starts
// the adversary as its child, and keeps running. compare-tree.ts copies it into a project of its own.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const state = path.join(__dirname, '..', 'state');
const folderOf = (number) => path.join(state, `generation-${number}`);

let number = 1;
while (!claim(folderOf(number))) number += 1;
const folder = folderOf(number);
fs.writeFileSync(path.join(folder, 'census.partial'), JSON.stringify(census()));
fs.writeFileSync(path.join(folder, 'root'), `${process.pid}\n`);
fs.writeFileSync(path.join(folder, 'register'), '');
fs.writeFileSync(path.join(folder, 'on'), '');
// The record is complete from here on.
fs.renameSync(path.join(folder, 'census.partial'), path.join(folder, 'census'));

const words = JSON.parse(fs.readFileSync(path.join(state, 'command'), 'utf8'));
const [file, ...args] = words.map((word) => word.replaceAll('GENERATION', folder));
spawn(file, args, { stdio: 'ignore', cwd: folder });
setInterval(() => {}, 60_000);

function claim(folder) {
  try {
    fs.mkdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns for each earlier generation its live processes and the size of its register. All processes that an adversary
 * starts have the generation's folder as their working folder, whatever their environment is.
 */
function census() {
  const processes = fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid, cwd: readLink(`/proc/${pid}/cwd`) }));
  return Array.from({ length: number - 1 }, (_, index) => {
    const earlier = folderOf(index + 1);
    const root = read(path.join(earlier, 'root')).trim();
    const alive = processes.filter(({ pid, cwd }) => cwd === earlier || (cwd === __dirname && pid === root));
    return {
      generation: index + 1,
      length: read(path.join(earlier, 'register')).length,
      alive: alive.map(({ pid }) => `${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()}`),
    };
  });
}

/** Returns an empty string for a zombie or a process that is gone. */
function readLink(file) {
  try {
    return fs.readlinkSync(file);
  } catch {
    return '';
  }
}

function read(file) {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
