/** The text of LaunchAgents, read back by Python, which has a parser of property lists. */

import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { launchAgent, loadingCommands } from '../../../src/systemd/launch-agent.ts';
import type { UnitRequest } from '../../../src/systemd/unit-file.ts';

const request: UnitRequest = {
  name: 'web',
  command: ['/usr/local/bin/node', '/opt/devwatch/dist/cli.cjs', 'server.js', '<a & "b">'],
  folder: '/Users/ada/my web',
  path: '/opt/homebrew/bin:/usr/bin',
  after: ['db'],
  stopTime: 5100,
  exitsAsProgram: false,
  sockets: [],
};

describe('a LaunchAgent', () => {
  test.runIf(spawnSync('python3', ['--version']).status === 0)('runs devwatch in its folder at each login', () => {
    const { name, text } = launchAgent(request, '/Users/ada');
    expect(name).toBe('devwatch.web.plist');
    const script = 'import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))';
    const { stdout, stderr } = spawnSync('python3', ['-c', script], { input: text, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      Label: 'devwatch.web',
      ProgramArguments: request.command,
      WorkingDirectory: '/Users/ada/my web',
      EnvironmentVariables: { PATH: '/opt/homebrew/bin:/usr/bin' },
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ExitTimeOut: 11,
      ProcessType: 'Interactive',
      StandardOutPath: '/Users/ada/Library/Logs/devwatch.web.log',
      StandardErrorPath: '/Users/ada/Library/Logs/devwatch.web.log',
    });
  });

  test('says how it is loaded', () => {
    const [command = ''] = loadingCommands(['web']);
    expect(command).toBe('launchctl bootstrap gui/$UID ~/Library/LaunchAgents/devwatch.web.plist');
    expect(launchAgent(request, '/Users/ada').text).toContain(command);
    expect(launchAgent({ ...request, name: 'a--b' }, '/Users/ada').text).not.toMatch(/<!--[^>]*a--b/);
  });

  test('is refused for sockets, and for text that XML cannot contain', () => {
    expect(() => launchAgent({ ...request, sockets: ['3000'] }, '/Users/ada')).toThrow('--socket is for systemd');
    expect(() => launchAgent({ ...request, folder: '/a\u0001' }, '/Users/ada')).toThrow('control characters');
  });
});
