/** The project of hour.ts, and the ways in which editors save its files. */

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** Modules with a version each, which the program tells. */
export const modules: readonly string[] = ['users', 'orders', 'products', 'invoices', 'mail', 'search'].map(
  (name) => `src/routes/${name}.js`,
);
export const db = 'src/db.js';
/** Returns a version of a module. */
export const sourceOf = (name: string, version: number): string => `'use strict';

const version = ${version};
${
  name === db
    ? `module.exports = { version };`
    : `const router = require('express').Router();
router.get('/', (request, response) => response.json({ version }));
module.exports = { router, version };`
}
`;

const app = `'use strict';

const express = require('express');
const compression = require('compression');
const cors = require('cors');
const modules = ${JSON.stringify([...modules, db])};

const app = express();
app.use(cors(), compression(), express.static('public'));
const loaded = modules.map((name) => [name, require('../' + name)]);
for (const [name, { router }] of loaded) if (router) app.use('/' + name, router);
app.get('/versions', (request, response) => {
  response.send(JSON.stringify(Object.fromEntries(loaded.map(([name, { version }]) => [name, version]))));
});
app.get('/boom', (request, response) => {
  response.send('soon');
  setTimeout(() => { throw new Error('the connection to the database was lost'); }, 200);
});
module.exports = app;
`;

/** Makes a project with its packages, devwatch among them, and two branches. */
export function createProject(folder: string): void {
  const write = (name: string, text: string): void => {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  };
  const run = (command: string, ...args: readonly string[]): string =>
    execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
  const root = path.resolve(import.meta.dirname, '../..');
  const tarball = execFileSync(
    'npm',
    ['pack', '--silent', '--ignore-scripts', '--pack-destination', path.dirname(folder)],
    {
      cwd: root,
      encoding: 'utf8',
    },
  ).trim();
  write(
    'package.json',
    JSON.stringify({ name: 'shop', private: true, scripts: { dev: 'devwatch server.js' } }, null, 2),
  );
  write('.gitignore', 'node_modules\n');
  write('server.js', `require('./src/app').listen(process.env.PORT, () => console.log('shop is open'));\n`);
  write('src/app.js', app);
  for (const name of [...modules, db]) write(name, sourceOf(name, 0));
  write('README.md', '# Shop\n');
  write('public/style.css', 'body { margin: 0 }\n');
  write('public/index.html', '<link rel="stylesheet" href="style.css"><h1>Shop</h1>\n');
  write('test/users.test.js', `require('node:test')('users', () => {});\n`);
  run('npm', 'install', '--silent', 'express@4.22.3', 'compression@1.8.2', 'cors@2.8.6');
  run('npm', 'install', '--silent', '--save-dev', path.join(path.dirname(folder), tarball));
  run('git', 'init', '--quiet', '--initial-branch', 'main');
  run('git', 'config', 'user.email', 'dev@example.com');
  run('git', 'config', 'user.name', 'Dev');
  run('git', 'add', '.');
  run('git', 'commit', '--quiet', '--message', 'Begin');
}

/** The ways in which editors save. */
export const editors: Readonly<Record<string, (file: string, text: string) => void>> = {
  'VS Code': (file, text) => fs.writeFileSync(file, text),
  vim(file, text) {
    const probe = path.join(path.dirname(file), '4913');
    fs.writeFileSync(probe, '');
    fs.rmSync(probe);
    fs.renameSync(file, `${file}~`);
    fs.writeFileSync(file, text);
    fs.rmSync(`${file}~`);
  },
  WebStorm(file, text) {
    fs.writeFileSync(`${file}___jb_tmp___`, text);
    fs.renameSync(file, `${file}___jb_old___`);
    fs.renameSync(`${file}___jb_tmp___`, file);
    fs.rmSync(`${file}___jb_old___`);
  },
  'sed -i'(file, text) {
    const temporary = path.join(path.dirname(file), `sed${process.hrtime.bigint()}`);
    fs.writeFileSync(temporary, text);
    fs.renameSync(temporary, file);
  },
  emacs(file, text) {
    const lock = path.join(path.dirname(file), `.#${path.basename(file)}`);
    fs.symlinkSync('dev@host.123', lock);
    fs.writeFileSync(file, text);
    fs.rmSync(lock);
  },
};
