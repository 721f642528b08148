import { expect, test } from 'vitest';
import { cli } from '../support/devwatch.ts';
import { stateOf, until } from '../support/facts.ts';
import { dialHome, type Home, openHome } from '../support/home.ts';
import { createProject } from '../support/project.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';

const devwatch = `${process.execPath} ${cli}`;

/** Source code that counts and reports each SIGINT, and then does what is given. */
const countsInterrupts = (then: string): string =>
  `let n = 0; process.on('SIGINT', () => { console.log('interrupt', ++n); ${then} });\n${dialHome()}console.log('ready');\n`;

/** Waits for the prompt of the shell, and for this exit code of devwatch. Bash runs no further command of a line. */
async function endsWith(terminal: Terminal, code: number): Promise<void> {
  await terminal.until(/(?:^|\n)\$ $/);
  terminal.line('echo "code $?"');
  await terminal.until(new RegExp(`code ${code}\\b`));
}

test('the program has the terminal as stdin, stdout and /dev/tty', async () => {
  await using project = createProject({
    'server.js': `console.log(process.stdin.isTTY, process.stdout.isTTY, require('fs').openSync('/dev/tty', 'r+') > 0, 'columns', process.stdout.columns); setInterval(() => {}, 1000);`,
  });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatch} server.js`);
  await terminal.until(/true true true columns 200/);
  terminal.type('\x03');
  await terminal.until(/\$ $/);
});

test('Ctrl-C reaches the program once and ends devwatch with code 130', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': countsInterrupts('process.exit(0);') });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} server.js`);
  await terminal.until(/ready/);
  const program = await home.caller();
  terminal.type('\x03');
  await endsWith(terminal, 130);
  await program.gone;
  expect(terminal.output.match(/interrupt \d/g)).toEqual(['interrupt 1']);
  expect(terminal.output).not.toMatch(/crashed|exited cleanly/);
});

test('Ctrl-C under npm run reaches the program once', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': countsInterrupts('setTimeout(() => process.exit(0), 50);'),
    'package.json': JSON.stringify({ scripts: { dev: `${devwatch} server.js` } }),
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line('npm run dev');
  await terminal.until(/ready/);
  const program = await home.caller();
  terminal.type('\x03');
  await program.gone;
  await terminal.until(/\$ $/);
  expect(terminal.output.match(/interrupt \d/g)).toEqual(['interrupt 1']);
});

test('devwatch waits for a program that ends slowly on Ctrl-C', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': countsInterrupts("setTimeout(() => { console.log('closed'); process.exit(0); }, 700);"),
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} server.js`);
  await terminal.until(/ready/);
  terminal.type('\x03');
  await terminal.until(/interrupt 1/);
  await terminal.until(/closed/);
  await endsWith(terminal, 130);
});

test('devwatch sends the stop signal to a program that ignores Ctrl-C', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `process.on('SIGTERM', () => { console.log('asked'); process.exit(0); });\n${countsInterrupts('')}`,
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} --kill-timeout 300 server.js`);
  await terminal.until(/ready/);
  terminal.type('\x03');
  await terminal.until(/interrupt 1/);
  await terminal.until(/asked/);
  await endsWith(terminal, 130);
});

test('Ctrl-C also ends a daemon of the program, with the stop signal, as soon as the program has ended', async () => {
  await using home = await openHome();
  const daemon = `process.on('SIGTERM', () => { console.log('daemon asked'); process.exit(0); });\n${dialHome()}`;
  await using project = createProject({
    'daemon.js': daemon,
    'server.js': `const { spawn } = require('node:child_process');
    spawn(process.execPath, ['daemon.js'], { detached: true, stdio: ['ignore', 'inherit', 'inherit'] }).unref();
    setInterval(() => {}, 1000);`,
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  // Waiting for the grace period would exceed every deadline.
  terminal.line(`${devwatch} --kill-timeout 60m server.js`);
  await home.caller();
  terminal.type('\x03');
  await terminal.until(/daemon asked/);
  await endsWith(terminal, 130);
});

test('a second Ctrl-C after half a second kills a program that is still cleaning up', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': countsInterrupts("setTimeout(() => console.log('half a second'), 510);"),
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} server.js`);
  await terminal.until(/ready/);
  const program = await home.caller();
  terminal.type('\x03');
  await terminal.until(/half a second/);
  terminal.type('\x03');
  await terminal.until(/\] killing it/);
  await endsWith(terminal, 130);
  await program.gone;
});

test('a single Ctrl-C ends a loop of the shell, and the prompt has a line of its own', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': `${dialHome()}console.log('ready');\n` });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`for run in 1 2; do ${devwatch} server.js; done`);
  await terminal.until(/ready/);
  terminal.type('\x03');
  await endsWith(terminal, 130);
  expect(terminal.output.match(/ready/g)).toHaveLength(1);
});

test('Ctrl-Z stops the program and devwatch, and fg continues both', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': `${dialHome()}console.log('ready');\n` });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} server.js`);
  await terminal.until(/ready/);
  const program = await home.caller();
  terminal.type('\x1a');
  await terminal.until(/Stopped[^\n]*\n[^$]*\$ /);
  await until(() => stateOf(program.pid) === 'T');
  terminal.line('fg');
  await terminal.until(/cli\.cjs server\.js\r\n/);
  project.write('server.js', `${dialHome({ version: 2 })}console.log('fresh');\n`);
  await terminal.until(/fresh/);
  terminal.type('\x03');
  await terminal.until(/\$ $/);
});

test('Ctrl-Z in a program that reads single keys stops both, and fg continues both', async () => {
  await using project = createProject({
    // As readline does.
    'keys.js': `process.stdin.setRawMode(true);
      process.on('SIGCONT', () => { process.stdin.setRawMode(true); console.log('goes on'); });
      process.stdin.on('data', (key) => {
        if (key[0] === 0x1a) { process.stdin.setRawMode(false); process.kill(process.pid, 'SIGTSTP'); }
        else if (String(key) === 'q') process.exit(0);
        else console.log('key ' + key);
      });
      // By then the program reads.
      setImmediate(() => console.log('ready'));`,
  });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatch} keys.js`);
  await terminal.until(/ready/);
  terminal.type('\x1a');
  await terminal.until(/Stopped[^\n]*\n[^$]*\$ /);
  terminal.line('fg');
  await terminal.until(/goes on/);
  terminal.type('x');
  await terminal.until(/key x/);
  terminal.type('q');
  await terminal.until(/exited cleanly/);
  terminal.type('\x03');
  await terminal.until(/\$ $/);
});

test('a resize reaches the program', async () => {
  await using project = createProject({
    'server.js': `process.stdout.on('resize', () => console.log('columns', process.stdout.columns)); console.log('ready'); setInterval(() => {}, 1000);`,
  });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatch} server.js`);
  await terminal.until(/ready/);
  terminal.resize(91, 30);
  await terminal.until(/columns 91/);
  terminal.type('\x03');
  await terminal.until(/\$ $/);
});

test('closing the terminal ends the program and devwatch', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': `${dialHome()}console.log('ready');\n` });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} server.js`);
  await terminal.until(/ready/);
  const program = await home.caller();
  terminal.hangUp();
  await program.gone;
});

test('the shortcuts r, rs, p, h, c and q work while the program does not read', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': `${dialHome()}console.log('ready');\n` });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} server.js; echo "code $?"`);
  await terminal.until(/ready/);
  terminal.line('r');
  await terminal.until(/restarted[\s\S]*ready/);
  terminal.line('rs');
  await terminal.until(/restarted[\s\S]*ready/);
  terminal.line('p');
  await terminal.until(/paused · saves are collected · p resumes/);
  terminal.line('p');
  await terminal.until(/resumed/);
  terminal.line('h');
  await terminal.until(/rs or r restart/);
  terminal.line('c');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequence that clears a screen
  await terminal.until(/\x1b\[2J\x1b\[H/);
  terminal.line('q');
  await terminal.until(/code 0/);
  await Promise.all(home.callers.map((caller) => caller.gone));
});

test('a program that reads stdin gets every line, including those that look like shortcuts', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `${dialHome()}let n = 0; require('readline').createInterface({ input: process.stdin }).on('line', (line) => console.log('got', ++n, line)); console.log('ready');\n`,
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} server.js; echo "code $?"`);
  await terminal.until(/ready/);
  for (let number = 1; number <= 30; number += 1) {
    terminal.line(number % 3 === 0 ? 'rs' : `line ${number}`);
    await terminal.until(new RegExp(`got ${number} (rs|line ${number})\r`));
  }
  // The next run does not read, so lines are shortcuts again.
  project.write('server.js', `${dialHome()}console.log('deaf');\n`);
  await terminal.until(/deaf/);
  terminal.line('q');
  await terminal.until(/code 0/);
});

test('a shell command has the terminal until it exits', async () => {
  await using project = createProject({
    'ask.sh': 'read answer; echo "answer: $answer"; read answer; echo "then: $answer"',
  });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatch} sh ask.sh; echo "code $?"`);
  await terminal.until(/watching/);
  terminal.line('rs');
  await terminal.until(/answer: rs/);
  terminal.line('q');
  await terminal.until(/then: q/);
  await terminal.until(/exited cleanly/);
  terminal.line('q');
  await terminal.until(/code 0/);
});

test('--stdin pipe passes all lines but shortcuts to the program', async () => {
  await using project = createProject({ 'echo.sh': 'while read line; do echo "line: $line"; done; echo over' });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatch} --stdin pipe sh echo.sh`);
  await terminal.until(/watching/);
  terminal.line('hello');
  await terminal.until(/line: hello/);
  terminal.line('rs');
  await terminal.until(/restarted/);
  terminal.line('again');
  await terminal.until(/line: again/);
  terminal.type('\x04');
  await terminal.until(/over/);
  terminal.type('\x03');
  await endsWith(terminal, 130);
  expect(terminal.output).not.toMatch(/line: rs/);
});

test('a standby booted while the terminal was raw does not leave it raw', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `process.stdin.setRawMode(true); process.stdin.resume();\n${dialHome()}console.log('ready');\n`,
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} --verbose server.js; echo "code $?"`);
  await terminal.until(/standby ready/);
  project.write('server.js', "console.log('plain');\n");
  await terminal.until(/exited cleanly/);
  // The program's output may come before devwatch's line about it.
  expect(terminal.output).toMatch(/from standby/);
  expect(terminal.output).toMatch(/plain/);
  terminal.line('q');
  await terminal.until(/code/);
  terminal.line('stty -a');
  await terminal.until(/ icanon .* echo /s);
});

test('a program killed in raw mode does not leave the terminal raw', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `process.stdin.setRawMode(true); process.stdin.resume(); process.on('SIGTERM', () => {});\n${dialHome()}console.log('ready');\n`,
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} --kill-timeout 100 server.js; echo "code $?"`);
  await terminal.until(/ready/);
  project.write('server.js', `${dialHome()}console.log('plain');\n`);
  await terminal.until(/plain/);
  terminal.line('q');
  await terminal.until(/code 0/);
  terminal.line('stty -a');
  await terminal.until(/ icanon .* echo /s);
});

test('devwatch keeps running as a background job of the shell', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': `${dialHome()}` });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} server.js &`);
  await home.caller();
  await terminal.until(/watching/);
  project.write('server.js', dialHome({ version: 2 }));
  const second = await home.caller();
  expect(second.says.version).toBe(2);
  terminal.line('kill %1; wait; echo "all $?"');
  await terminal.until(/all \d/);
  await second.gone;
});

test('devwatch reads shortcuts again when it comes to the foreground', async () => {
  await using home = await openHome();
  await using project = createProject({ 'server.js': `${dialHome()}console.log('ready');\n` });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  terminal.line(`${devwatch} server.js &`);
  await home.caller();
  await terminal.until(/watching/);
  terminal.line('fg');
  await terminal.until(/cli\.cjs server\.js\r\n/);
  // The terminal buffers the line until devwatch notices that it is in the foreground.
  terminal.line('rs');
  await terminal.until(/restarted[\s\S]*ready/);
  terminal.line('q');
  await terminal.until(/\$ $/);
});

test('a child of a Node program that inherits the terminal gets every line', async () => {
  await using project = createProject({
    'wrap.js': `require('child_process').spawn(process.execPath, ['child.cjs'], { stdio: 'inherit' });`,
    'child.cjs': `let n = 0; require('readline').createInterface({ input: process.stdin }).on('line', (line) => console.log('got', ++n, line)); console.log('ready');`,
  });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatch} wrap.js`);
  await terminal.until(/ready/);
  for (let number = 1; number <= 10; number += 1) {
    terminal.line(number % 2 === 0 ? 'rs' : `line ${number}`);
    await terminal.until(new RegExp(`got ${number} (rs|line ${number})\r`));
  }
  terminal.type('\x03');
  await terminal.until(/\$ $/);
});

const lineByLine = `console.log('ready'); let n = 0; const tell = (line) => console.log('got', ++n, line.trim());`;

test.each([
  {
    how: 'reads descriptor 0 synchronously',
    script: `${lineByLine}
      const fs = require('fs');
      const bytes = Buffer.alloc(100);
      // Invalid descriptors are an error as without devwatch.
      for (const other of [-1, 0.5, 2 ** 31, 2 ** 40, 'x']) try { fs.readSync(other, bytes); } catch {}
      for (;;) tell(bytes.toString('utf8', 0, fs.readSync(0, bytes, 0, bytes.length)));`,
  },
  {
    how: 'opens the terminal and reads it synchronously, as prompts do',
    script: `${lineByLine}
      const { openSync, readSync } = require('fs');
      const bytes = Buffer.alloc(100);
      for (;;) tell(bytes.toString('utf8', 0, readSync(openSync('/dev/tty', 'rs'), bytes, { offset: 0 })));`,
  },
  {
    how: 'opens a stream of descriptor 0',
    script: `${lineByLine}
      new (require('tty').ReadStream)(0).setEncoding('utf8').on('data', tell);`,
  },
  {
    how: 'waits for a child that reads the terminal',
    script: `require('child_process').execSync(
      'echo ready; n=0; while read -r line; do n=$((n + 1)); echo "got $n $line"; done', { stdio: 'inherit' });`,
  },
])('a Node program that $how gets every line', async ({ script }) => {
  await using project = createProject({ 'server.js': script });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatch} server.js`);
  await terminal.until(/ready/);
  for (let number = 1; number <= 10; number += 1) {
    terminal.line(number % 2 === 0 ? 'rs' : `line ${number}`);
    await terminal.until(new RegExp(`got ${number} (rs|line ${number})\r`));
  }
  terminal.type('\x03');
  await terminal.until(/\$ $/);
});

/** Starts server.js, types lines while it does not read, and makes it read by SIGUSR2. */
async function readAfterTyping(terminal: Terminal, home: Home, lines: readonly string[]): Promise<void> {
  terminal.line(`${devwatch} server.js`);
  const { pid } = await home.caller();
  await terminal.until(/watching/);
  for (const line of lines) terminal.line(line);
  // When devwatch answers this one, it has read all lines.
  terminal.line('h');
  await terminal.until(/rs or r restart/);
  process.kill(pid, 'SIGUSR2');
}

test('a program that starts to read late reads the lines typed before piece by piece, also an ES module', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `
      const bytes = Buffer.alloc(10);
      process.on('SIGUSR2', async () => {
        const { readSync } = await import('node:fs');
        let text = '';
        while (!text.includes('third')) text += bytes.toString('utf8', 4, 4 + readSync(0, bytes, 4, 3));
        console.log('got', JSON.stringify(text));
      });
      ${dialHome()}`,
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  await readAfterTyping(terminal, home, ['first', 'second']);
  terminal.line('third');
  await terminal.until(/got "first\\nsecond\\nthird/);
  terminal.type('\x03');
  await terminal.until(/\$ $/);
});

test('lines that a child has left unread are read by the next reader', async () => {
  await using home = await openHome();
  await using project = createProject({
    'server.js': `
      const { spawn } = require('child_process');
      const byte = Buffer.alloc(1);
      process.on('SIGUSR2', () => spawn('true', { stdio: 'inherit' }).on('exit', () => {
        let line = '';
        while (!line.endsWith('\\n')) line += byte.toString('utf8', 0, require('fs').readSync(0, byte));
        console.log('waited for', JSON.stringify(line));
        process.stdin.setEncoding('utf8').on('data', (text) => console.log('heard', JSON.stringify(text)));
      }));
      ${dialHome()}`,
  });
  await using terminal = openTerminal({ cwd: project.path, env: home.env });
  await readAfterTyping(terminal, home, ['first', 'second']);
  await terminal.until(/waited for "first\\n"/);
  await terminal.until(/heard "second\\n"/);
  terminal.line('rs');
  await terminal.until(/heard "rs\\n"/);
  terminal.type('\x03');
  await terminal.until(/\$ $/);
});

test('a child that has exited gives the terminal back to devwatch', async () => {
  await using project = createProject({
    'server.js': `
      require('child_process').execSync('echo asks; read -r line; echo "heard $line"', { stdio: 'inherit' });
      console.log('goes on');
      setInterval(() => {}, 60_000);`,
  });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatch} server.js; echo "code $?"`);
  await terminal.until(/asks/);
  terminal.line('rs');
  await terminal.until(/heard rs\r\ngoes on/);
  terminal.line('q');
  await terminal.until(/code 0/);
});

test('lines that a command has left unread are not shortcuts after the next save', async () => {
  await using project = createProject({ 'server.sh': 'echo up\nexec sleep 600', 'a.sh': '' });
  await using terminal = openTerminal({ cwd: project.path });
  terminal.line(`${devwatch} sh server.sh`);
  await terminal.until(/watching/);
  terminal.line('q');
  for (const text of ['1', '2', '3']) {
    project.write('a.sh', text);
    await terminal.until(/restarted · a\.sh/);
  }
  terminal.type('\x03');
  await endsWith(terminal, 130);
});
