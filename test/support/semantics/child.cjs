// The child process that works.cjs starts in every possible way.
const net = require('node:net');
const { names, openDescriptors } = require('./common.cjs');

const about = {
  argv: process.argv.slice(2),
  execArgv: process.execArgv,
  env: { ...process.env },
  descriptors: openDescriptors().filter((name) => !/^[012] /.test(name)),
  events: process.eventNames().map(String),
  globals: names(globalThis),
  cache: Object.keys(require.cache),
  title: process.title,
};

if (process.argv[2] === 'listen') {
  const server = net.createServer((socket) => socket.end());
  server.listen(0, '127.0.0.1', () => process.send({ ...about, port: server.address().port }));
  process.once('message', () => process.disconnect());
} else if (process.send) {
  process.send(about);
  process.once('message', (message) => process.send(message, () => process.disconnect()));
} else {
  console.log(JSON.stringify(about));
}
