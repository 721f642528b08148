// Draws docs/images/terminal.svg from a real run of the built devwatch, with a small server that is edited and crashes.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const esc = String.fromCharCode(27);
const colour = new RegExp(`${esc}\\[(\\d+)m`, 'g');
const picture = path.join(root, 'docs/images/terminal.svg');
const demo = (greeting) => `import http from 'node:http';

http
  .createServer((request, response) => {
    if (request.url === '/orders') {
      console.error('Error: the database went away');
      process.exit(1);
    }
    response.end('${greeting}');
  })
  .listen(3000, () => console.log('listening on http://localhost:3000'));
`;

const output = await record();
fs.mkdirSync(path.dirname(picture), { recursive: true });
fs.writeFileSync(picture, draw(output.trimEnd().split('\n')));

/** Resolves to the terminal's content, with comments about the actions in between. */
async function record() {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'shop-')));
  fs.writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}');
  fs.writeFileSync(path.join(folder, 'server.js'), demo('hello'));
  // Through a shell that merges both streams, so that they keep their order.
  const line = `exec "$0" ${path.join(root, 'dist/cli.cjs')} server.js 2>&1`;
  const { NO_COLOR: _, ...env } = process.env;
  const child = spawn('/bin/sh', ['-c', line, process.execPath], { cwd: folder, env: { ...env, FORCE_COLOR: '1' } });
  let all = `${esc}[1m$ devwatch server.js${esc}[22m\n`;
  let seen = 0;
  let wake = () => {};
  child.stdout.setEncoding('utf8').on('data', (text) => {
    all += text;
    wake();
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const until = async (pattern) => {
    for (let match = null; match === null; ) {
      match = pattern.exec(all.slice(seen));
      if (match !== null) seen += match.index + match[0].length;
      else await Promise.race([new Promise((resolve) => (wake = resolve)), ended.then(() => fail(all))]);
    }
  };
  const note = (text) => {
    all += `${esc}[90m# ${text}${esc}[39m\n`;
    seen = all.length;
  };

  try {
    await until(/(watching|listening)[\s\S]*(watching|listening).*\n/);
    note('server.js is saved');
    fs.writeFileSync(path.join(folder, 'server.js'), demo('good morning'));
    await until(/listening.*\n/);
    note('a request that the server cannot handle');
    await fetch('http://localhost:3000/orders').catch(() => {});
    await until(/listening.*\n/);
  } finally {
    child.kill('SIGTERM');
    await ended;
    fs.rmSync(folder, { recursive: true });
  }
  return all.replaceAll(folder, '/home/me/shop');
}

function fail(all) {
  throw new Error(`devwatch ended early:\n${all}`);
}

/** Returns an SVG of a terminal window with these lines, which contain ANSI colours. */
function draw(lines) {
  const [charWidth, lineHeight, left, top] = [8.43, 22, 24, 74];
  const styles = { 1: 'bold', 2: 'dim', 31: 'red', 32: 'green', 33: 'yellow', 90: 'note' };
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
<title>devwatch in a terminal: it restarts a server after a save, and again after a crash</title>
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
