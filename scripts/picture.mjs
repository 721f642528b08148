// Draws docs/images/terminal.svg from a real run of the built devwatch in a terminal: a server that is edited, crashes,
// and is asked by a client all the time, and a .watchrc with a mistake.
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pty from '@lydell/node-pty';

const root = path.resolve(import.meta.dirname, '..');
const esc = String.fromCharCode(27);
const colour = new RegExp(`${esc}\\[(\\d+)m`, 'g');
const picture = path.join(root, 'docs/images/terminal.svg');
const port = 3000;
/** A number that no style of a terminal has: that of the comments. */
const noteStyle = 1000;
/** The standby process of the next run is ready by then. */
const calmMs = 3000;
/** Lines of devwatch and of the program, in either order. */
const isUp = /answering[\s\S]*listening.*\n|listening[\s\S]*answering.*\n/;
const timeoutMs = 60_000;
const server = (greeting) => `import http from 'node:http';

http
  .createServer((request, response) => {
    if (request.url === '/orders') {
      console.error('Error: the database went away');
      process.exit(1);
    }
    response.end('${greeting}');
  })
  .listen(${port}, () => console.log('listening on http://localhost:${port}'));
`;

const output = await record();
fs.mkdirSync(path.dirname(picture), { recursive: true });
fs.writeFileSync(picture, draw(output.trimEnd().split('\n')));

/** Resolves to the terminal's content, with comments about the actions in between. */
async function record() {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'shop-')));
  const write = (file, text) => fs.writeFileSync(path.join(folder, file), text);
  write('package.json', '{"type": "module"}');
  write('server.js', server('hello'));
  write('.watchrc', '{ "script": "server.js" }\n');
  const { NO_COLOR: _, ...env } = process.env;
  const terminal = pty.spawn(process.execPath, [path.join(root, 'dist/cli.cjs')], {
    cwd: folder,
    cols: 100,
    rows: 40,
    env: { ...env, TERM: 'xterm-256color' },
  });
  let all = `${esc}[1m$ npx devwatch${esc}[22m\n`;
  let seen = 0;
  let wake = () => {};
  let hasEnded = false;
  const ended = new Promise((resolve) => terminal.onExit(resolve)).then(() => {
    hasEnded = true;
  });
  terminal.onData((text) => {
    all += text.replaceAll('\r', '');
    wake();
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    wake();
  }, timeoutMs);
  const until = async (pattern) => {
    for (let match = null; match === null; ) {
      match = pattern.exec(all.slice(seen));
      if (match !== null) seen += match.index + match[0].length;
      else if (isLate) throw new Error(`still waiting for ${pattern} after ${timeoutMs} ms:\n${all}`);
      else if (hasEnded) throw new Error(`devwatch ended early:\n${all}`);
      else await Promise.race([new Promise((resolve) => (wake = resolve)), ended]);
    }
  };
  const note = (text) => {
    all += `${esc}[${noteStyle}m# ${text}${esc}[39m\n`;
    seen = all.length;
  };

  try {
    await until(/listening.*\n/);
    const client = startClient();
    await sleep(calmMs);
    note('server.js is saved, while a client keeps asking');
    write('server.js', server('good morning'));
    await until(isUp);
    await sleep(calmMs);
    const { answered, failed } = await client.stop();
    note(`the client: ${answered.toLocaleString('en-US')} requests answered, ${failed} refused or reset`);
    note('a request that the server cannot handle');
    await fetch(`http://localhost:${port}/orders`).catch(() => {});
    await until(isUp);
    note('.watchrc is saved with a mistake');
    write('.watchrc', '{ "script": "server.js", "wach": ["src"] }\n');
    await until(/old settings.*\n/);
  } finally {
    clearTimeout(timer);
    terminal.kill('SIGTERM');
    await ended;
    fs.rmSync(folder, { recursive: true });
  }
  return all.replaceAll(folder, '/home/me/shop');
}

/** Sends a request every few milliseconds, each on a new connection, and counts them. */
function startClient() {
  let answered = 0;
  let failed = 0;
  let isStopped = false;
  const ask = () =>
    new Promise((resolve) => {
      const request = http.get({ port, agent: false }, (response) => {
        response.resume().once('close', () => resolve(response.complete));
      });
      request.once('error', () => resolve(false));
    });
  const loop = (async () => {
    while (!isStopped) {
      if (await ask()) answered += 1;
      else failed += 1;
      await sleep(5);
    }
  })();
  const stop = async () => {
    isStopped = true;
    await loop;
    return { answered, failed };
  };
  return { stop };
}

/** Returns an SVG of a terminal window with these lines, which contain ANSI colours. */
function draw(lines) {
  const [charWidth, lineHeight, left, top] = [8.43, 22, 24, 74];
  const styles = { 1: 'bold', 2: 'dim', 31: 'red', 32: 'green', 33: 'yellow', 90: 'dim', [noteStyle]: 'note' };
  const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const spans = (line) => {
    let style = '';
    return line
      .split(colour)
      .map((part, index) => {
        if (index % 2 === 1) style = styles[part] ?? '';
        else if (part !== '') return style === '' ? escaped(part) : `<tspan class="${style}">${escaped(part)}</tspan>`;
        return '';
      })
      .join('');
  };
  const plain = lines.map((line) => line.replaceAll(colour, ''));
  const width = Math.ceil(Math.max(...plain.map((line) => line.length)) * charWidth) + 2 * left;
  // Some space above each action.
  const gap = (index) => 10 * plain.slice(1, index + 1).filter((line) => line.startsWith('# ')).length;
  const y = (index) => top + index * lineHeight + gap(index);
  const height = y(lines.length - 1) + 30;
  const texts = lines.map((line, index) => `<text x="${left}" y="${y(index)}">${spans(line)}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>devwatch in a terminal: it restarts a server after a save and after a crash, and points at a mistake in .watchrc</title>
<style>
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #d7dce5; white-space: pre }
.bold { font-weight: bold; fill: #ffffff }
.dim { fill: #6f7b91 }
.red { fill: #ff7b85 }
.green { fill: #8fd694 }
.yellow { fill: #f2cc7a }
.note { fill: #7fb4ff; font-style: italic }
.title { fill: #8a94a8; text-anchor: middle; font-size: 13px }
</style>
<rect width="${width}" height="${height}" rx="10" fill="#161a22"/>
<path d="M0 40V10A10 10 0 0 1 10 0H${width - 10}A10 10 0 0 1 ${width} 10V40Z" fill="#222834"/>
<circle cx="22" cy="20" r="6" fill="#ff5f57"/><circle cx="42" cy="20" r="6" fill="#febc2e"/><circle cx="62" cy="20" r="6" fill="#28c840"/>
<text class="title" x="${width / 2}" y="25">~/shop</text>
${texts.join('\n')}
</svg>
`;
}
