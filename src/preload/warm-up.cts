/**
 * Does in advance, while a process is parked, what Node does at the first use of parts that nearly every program uses
 * at once: compiling the functions, and collecting the garbage of the boot. Without it the first line that a program
 * prints takes 1.5 ms longer, and the first collection another millisecond. Nothing of it can be seen by a program.
 */

/** More than the part of the heap holds from which V8 removes garbage first (1 MB when a process starts). */
const garbage = { arrays: 4000, length: 128 };

function warmUp(): void {
  try {
    printNowhere();
    createStdout();
    collectGarbage();
  } catch {
    // A module that is loaded before the program may have replaced anything.
  }
}

function printNowhere(): void {
  // To require `node:console` opens stdout and stderr.
  const { Console } = console;
  const { Writable } = require('node:stream') as typeof import('node:stream');
  const stdout = new Writable({ write: (_chunk, _encoding, done) => done() });
  // To find out about colors opens stderr.
  const nowhere = new Console({ stdout, colorMode: false });
  nowhere.log(`${performance.timeOrigin + performance.now()}`);
  nowhere.log('%s', {});
}

/** Creates such a socket as Node does for a standard output that is a pipe, but without the pipe. */
function createStdout(): void {
  const { Socket } = require('node:net') as typeof import('node:net');
  // The types leave out the option that Node itself uses.
  new Socket({ handle: {}, readable: false, writable: true } as object);
}

/** Lets V8 collect: a collection that nobody can order without flags comes when the part for new objects is full. */
function collectGarbage(): void {
  let latest: readonly number[] = [];
  for (let count = 0; count < garbage.arrays; count += 1)
    latest = new Array<number>(garbage.length).fill(latest.length);
}

export type { warmUp };

module.exports = { warmUp };
