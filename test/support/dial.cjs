// The program's half of test/support/home.ts.
const net = require('node:net');
const readline = require('node:readline');

module.exports = function dial(says) {
  const socket = net.connect(Number(process.env.TEST_HOME), '127.0.0.1');
  socket.on('error', () => {});
  const about = { pid: process.pid, ppid: process.ppid, argv: process.argv.slice(2), ...says };
  socket.write(`${JSON.stringify(about)}\n`);
  readline.createInterface({ input: socket }).on('line', (line) => {
    const [word, rest] = line.split(' ');
    // As one that has lost its database: another run may do better.
    if (word === 'crash') throw Object.assign(new Error('crashed on purpose'), { code: 'ECONNRESET' });
    else if (word === 'exit') process.exit(Number(rest ?? 0));
    else console.log(line);
  });
  return socket;
};
