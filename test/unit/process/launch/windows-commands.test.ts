/** Commands as they are found and started on Windows, on a machine with the paths of POSIX. */

import { describe, expect, test } from 'vitest';
import { type Command, type CommandRequest, resolveCommand } from '../../../../src/process/launch/command.ts';
import { findOnPath } from '../../../../src/process/launch/search.ts';
import { npmShims } from '../../../platforms/shims.mjs';
import { createHost } from '../../../support/host.ts';

const files = {
  'package.json': '{"scripts": {"serve": "node server.js"}}',
  'server.js': '',
  'src\\server.js': '',
  'src\\my server.js': '',
  'run.bat': '@echo off\r\nnode server.js %*\r\n',
  'tasks/www': '#!/usr/bin/env node\n',
  'tasks/deploy.sh': '#!/bin/sh\n',
  'node_modules/.bin/tool': npmShims.tool,
  'node_modules/.bin/tool.cmd': npmShims['tool.cmd'],
  'node_modules/.bin/tool.ps1': '',
  'node_modules/.bin/native.exe': '\0MZ',
  'tools/npm.cmd': '@ECHO OFF\r\nnpm-cli %*\r\n',
  'tools/node.exe': '\0MZ',
  'tools/sh.exe': '\0MZ',
};
const env = { Path: '/app/tools', PATHEXT: '.COM;.EXE;.BAT;.CMD' };
const cmd = 'C:\\Windows\\system32\\cmd.exe';

/** A machine on which every file may be executed, as on Windows. */
const host = createHost(files, {
  isPosix: false,
  node: '/app/tools/node.exe',
  env,
  isExecutable: (file) => createHost(files).kindOf(file) === 'file',
});

const resolve = (program: string, request: Partial<CommandRequest> = {}): Command =>
  resolveCommand(
    {
      ...{ folder: '/app', nodeArgs: [], exec: undefined, execMap: {}, env },
      program: program.split(' ').filter(Boolean),
      ...request,
    },
    host,
  );

describe('a command is found', () => {
  test.each([
    ['tool', '/app/node_modules/.bin/tool.cmd'],
    ['tool.cmd', '/app/node_modules/.bin/tool.cmd'],
    ['TOOL.CMD', undefined],
    ['native', '/app/node_modules/.bin/native.exe'],
    ['npm', '/app/tools/npm.cmd'],
    ['node', '/app/tools/node.exe'],
    ['node.exe', '/app/tools/node.exe'],
    ['./node_modules/.bin/tool', '/app/node_modules/.bin/tool.cmd'],
    ['run.bat', undefined],
    ['./run', '/app/run.bat'],
    ['tool.ps1', undefined],
    ['none', undefined],
  ])('%s', (word, file) => {
    expect(findOnPath(word, '/app', env, host)).toBe(file);
  });

  test('with the usual suffixes if PATHEXT is not set, whatever the case of the names of variables', () => {
    expect(findOnPath('npm', '/app', { PATH: '/app/tools' }, host)).toBe('/app/tools/npm.cmd');
    expect(findOnPath('npm', '/app', { pAth: '/app/tools', pathext: '.EXE' }, host)).toBeUndefined();
  });
});

describe('started is', () => {
  test.each([
    ['tool a', '/app/tools/node.exe', ['/app/node_modules/tool/cli.js', 'a']],
    ['node_modules/.bin/tool a', '/app/tools/node.exe', ['/app/node_modules/tool/cli.js', 'a']],
    ['native a', '/app/node_modules/.bin/native.exe', ['a']],
    ['npm run serve', cmd, ['/d', '/s', '/c', '""/app/tools/npm.cmd" "run" "serve""']],
    ['run.bat a', cmd, ['/d', '/s', '/c', '""/app/run.bat" "a""']],
    ['tasks/deploy.sh a', '/app/tools/sh.exe', ['tasks/deploy.sh', 'a']],
  ])('for %s a file that Windows can run', (program, file, args) => {
    expect(resolve(program)).toMatchObject({ file, args, isNode: false });
    expect(resolve(program).isVerbatim === true).toBe(file === cmd);
  });

  test.each([
    ['node server.js', [], ['server.js']],
    ['node.exe server.js', ['--inspect'], ['server.js']],
    ['NODE.EXE server.js', [], ['server.js']],
    ['tasks/www', [], ['tasks/www']],
  ])('for %s the Node that runs devwatch', (program, nodeArgs, args) => {
    expect(resolve(program, { nodeArgs })).toMatchObject({ file: host.node, nodeArgs, args, isNode: true });
  });

  test.each([
    ['node src\\server.js', 'node "src\\server.js"'],
    ['node "src\\my server.js"', 'node "src\\my server.js"'],
  ])('for the line %s Node, with the backslashes', (exec) => {
    expect(resolve('', { exec })).toMatchObject({
      isNode: true,
      args: [/"/.test(exec) ? 'src\\my server.js' : 'src\\server.js'],
    });
  });

  test.each([
    ['npm run serve', [], '"npm run serve"'],
    ["echo 'a' && node", ['a b'], `"echo 'a' && node ^"a^ b^""`],
  ])('for the line %s cmd.exe, with quoted words', (exec, program, text) => {
    const { file, args, isVerbatim } = resolve('', { exec, program });
    expect([file, args, isVerbatim]).toEqual([cmd, ['/d', '/s', '/c', text], true]);
  });
});

test('a script has its name on the disk, however the case of its letters is typed', () => {
  const onDisk = createHost(files);
  const ignoringCase = {
    ...host,
    kindOf: (file: string) => onDisk.kindOf(file.toLowerCase()),
    readStart: (file: string) => onDisk.readStart(file.toLowerCase()),
    writtenName: (file: string) => file.toLowerCase(),
  };
  for (const words of [['SERVER.JS'], ['node', 'Server.js']]) {
    const request = { folder: '/app', nodeArgs: [], exec: undefined, execMap: {}, env, program: words };
    const command = resolveCommand(request, ignoringCase);
    expect(command).toMatchObject({ script: '/app/server.js', isNode: true, extensions: ['js', 'mjs', 'cjs', 'json'] });
    expect(command.args).toEqual(words.slice(-1));
  }
});
