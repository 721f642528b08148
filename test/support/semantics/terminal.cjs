// A program in a terminal: tells what it has, and then reads a line.
const { aboutProcess, say, surfaceOf } = require('./common.cjs');

const { isTTY, streams, descriptors, resources, handles, listeners, stdioFlags, surfaces, kernel } = aboutProcess();
say({
  facts: {
    ...{ isTTY, streams, descriptors, resources, handles, listeners, stdioFlags },
    ...{ signals: kernel.signals, hasTerminal: kernel.hasTerminal, size: process.stdout.getWindowSize() },
    surfaces,
    reader: Object.keys(process.stdin).sort(),
  },
});
process.stdin.setEncoding('utf8').once('data', (typed) => {
  say({ typed, surface: surfaceOf(process), reader: Object.keys(process.stdin).sort() });
  process.exit();
});
