import { expect, test } from 'vitest';
import { findSyntaxError } from '../../../../src/process/launch/syntax-check.ts';
import { createProject } from '../../../support/project.ts';

const find = (message: string, ...roots: readonly string[]) => findSyntaxError(process.execPath, message, roots);

test('the place of a syntax error in an imported module is found, and no module runs', async () => {
  await using project = createProject({
    'package.json': '{"type": "module"}',
    'main.js': "import fs from 'node:fs';\nimport './src/a.js';\nimport './data.json';\nfs.writeFileSync('ran', '');",
    'src/a.js': "import '../lib.js';\nimport './bad.js';\nimport 'missing';\nimport './missing.js';",
    'lib.js': 'if (true) return;',
    'src/bad.js': 'const a = 1;\n  const b = ;\n',
    'data.json': '{',
  });
  const location = { file: project.at('src/bad.js'), line: 2, column: 13 };
  expect(await find("Unexpected token ';'", project.at('main.js'))).toEqual(location);
  // Both are of other errors.
  expect(await find('Unexpected end of input', project.at('main.js'))).toBeUndefined();
  expect(await find("Unexpected token ';'", project.at('lib.js'), project.at('gone.js'))).toBeUndefined();
});
