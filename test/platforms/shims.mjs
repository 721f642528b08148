// The files that package managers write into node_modules/.bin on Windows for a command `tool` whose script is
// node_modules/tool/cli.js, as they were recorded: cmd-shim 7 of npm 10, @zkochan/cmd-shim 6 of pnpm 9, and Yarn 1.22.

export const npmShims = {
  tool: `#!/bin/sh
basedir=$(dirname "$(echo "$0" | sed -e 's,\\\\,/,g')")

if [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir/../tool/cli.js" "$@"
else 
  exec node  "$basedir/../tool/cli.js" "$@"
fi
`,
  'tool.cmd': `@ECHO off\r
GOTO start\r
:find_dp0\r
SET dp0=%~dp0\r
EXIT /b\r
:start\r
SETLOCAL\r
CALL :find_dp0\r
\r
IF EXIST "%dp0%\\node.exe" (\r
  SET "_prog=%dp0%\\node.exe"\r
) ELSE (\r
  SET "_prog=node"\r
  SET PATHEXT=%PATHEXT:;.JS;=;%\r
)\r
\r
endLocal & goto #_undefined_# 2>NUL || title %COMSPEC% & "%_prog%"  "%dp0%\\..\\tool\\cli.js" %*\r
`,
};

export const pnpmShims = {
  tool: `#!/bin/sh
basedir=$(dirname "$(echo "$0" | sed -e 's,\\\\,/,g')")

if [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir/../tool/cli.js" "$@"
else
  exec node  "$basedir/../tool/cli.js" "$@"
fi
`,
  'tool.CMD': `@SETLOCAL\r
@IF NOT DEFINED NODE_PATH (\r
  @SET "NODE_PATH=C:\\nowhere\\node_modules"\r
) ELSE (\r
  @SET "NODE_PATH=C:\\nowhere\\node_modules;%NODE_PATH%"\r
)\r
@IF EXIST "%~dp0\\node.exe" (\r
  "%~dp0\\node.exe"  "%~dp0\\..\\tool\\cli.js" %*\r
) ELSE (\r
  @SET PATHEXT=%PATHEXT:;.JS;=;%\r
  node  "%~dp0\\..\\tool\\cli.js" %*\r
)\r
`,
};

export const yarnShims = {
  tool: npmShims.tool,
  'tool.cmd': `@IF EXIST "%~dp0\\node.exe" (\r
  "%~dp0\\node.exe"  "%~dp0\\..\\tool\\cli.js" %*\r
) ELSE (\r
  @SETLOCAL\r
  @SET PATHEXT=%PATHEXT:;.JS;=;%\r
  node  "%~dp0\\..\\tool\\cli.js" %*\r
)\r
`,
};
