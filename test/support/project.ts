/** A folder of files for one test, removed at its end. */

import fs from 'node:fs';
import path from 'node:path';
import { inject } from 'vitest';

export interface Project extends AsyncDisposable {
  readonly path: string;
  /** Returns the absolute path of a file in the project. */
  at(file: string): string;
  /** Writes a file in place, as a plain save of most editors does, and creates missing folders. */
  write(file: string, content: string): void;
  /** Writes another file and renames it into place, as vim and many tools do. */
  replace(file: string, content: string): void;
  remove(file: string): void;
}

/** Creates a project; a `large` one in memory, where thousands of files are written fast. */
export function createProject(files: Readonly<Record<string, string>> = {}, size?: 'large'): Project {
  const folder = fs.mkdtempSync(path.join(inject(size === 'large' ? 'spacious' : 'temporary'), 'project-'));
  const project: Project = {
    path: folder,
    at: (file) => path.join(folder, file),
    write(file, content) {
      fs.mkdirSync(path.dirname(project.at(file)), { recursive: true });
      fs.writeFileSync(project.at(file), content);
    },
    replace(file, content) {
      fs.writeFileSync(project.at(`${file}.new`), content);
      fs.renameSync(project.at(`${file}.new`), project.at(file));
    },
    remove: (file) => fs.rmSync(project.at(file), { recursive: true }),
    async [Symbol.asyncDispose]() {
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
  for (const [file, content] of Object.entries(files)) project.write(file, content);
  return project;
}
