// The files that package managers write into node_modules/.bin on Windows for a command `tool` whose script is
// node_modules/tool/cli.js, as they were recorded: cmd-shim 7 of npm 10, @zkochan/cmd-shim 6 of pnpm 9, and Yarn 1.22.

/** npm.cmd, which Node's installer puts beside Node. */
export const npmOfNode = `:: Created by npm, please don't edit manually.\r
@ECHO OFF\r
\r
SETLOCAL\r
\r
SET "NODE_EXE=%~dp0\\node.exe"\r
IF NOT EXIST "%NODE_EXE%" (\r
  SET "NODE_EXE=node"\r
)\r
\r
SET "NPM_PREFIX_JS=%~dp0\\node_modules\\npm\\bin\\npm-prefix.js"\r
SET "NPM_CLI_JS=%~dp0\\node_modules\\npm\\bin\\npm-cli.js"\r
FOR /F "delims=" %%F IN ('CALL "%NODE_EXE%" "%NPM_PREFIX_JS%"') DO (\r
  SET "NPM_PREFIX_NPM_CLI_JS=%%F\\node_modules\\npm\\bin\\npm-cli.js"\r
)\r
IF EXIST "%NPM_PREFIX_NPM_CLI_JS%" (\r
  SET "NPM_CLI_JS=%NPM_PREFIX_NPM_CLI_JS%"\r
)\r
\r
"%NODE_EXE%" "%NPM_CLI_JS%" %*\r
`;

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
