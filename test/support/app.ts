/** The rig of the end-to-end tests: a project, the home that its programs dial, and a devwatch that runs them. */

import { type Condition, until } from './deadline.ts';
import { type Devwatch, type DevwatchOptions, startDevwatch } from './devwatch.ts';
import { type Home, openHome } from './home.ts';
import { createProject, type Project } from './project.ts';

/** All waits have a deadline; their failures list all events, lines and callers so far. */
export interface App extends Devwatch, Project, Home {
  /** Polls until a condition holds. */
  until(what: string, condition: Condition): Promise<void>;
  /** Resolves when devwatch watches; `program` names which of several. */
  watches(program?: string): Promise<void>;
}

export interface StartOptions extends Omit<DevwatchOptions, 'cwd'> {
  /** The files of the project. */
  readonly files?: Readonly<Record<string, string>>;
  /** A project that has been prepared, instead of `files`; it is removed at the end as well. */
  readonly project?: Project;
  /** The folder of the project in which devwatch starts, by default the project itself. */
  readonly folder?: string;
  /** The command line of devwatch. */
  readonly args?: readonly string[];
}

/** Starts devwatch in a project. At the end of the scope devwatch is stopped and the project removed. */
export async function start({ files, project, folder = '', args = [], env, ...rest }: StartOptions): Promise<App> {
  const own = project ?? createProject(files);
  const home = await openHome(() => devwatch.report());
  const devwatch = startDevwatch(args, { cwd: own.at(folder), env: { ...home.env, ...env }, ...rest });
  const report = (): readonly string[] => [...devwatch.report(), ...home.report()];
  const app: Omit<App, 'mostAlive'> = {
    ...own,
    ...devwatch,
    env: home.env,
    callers: home.callers,
    caller: home.caller,
    report,
    until: (what, condition) => until(what, condition, report),
    async watches(program) {
      await app.until(`${program ?? 'the project'} to be watched`, () =>
        devwatch.events.some((stated) => stated.event === 'watching' && stated.app === program),
      );
    },
    async [Symbol.asyncDispose]() {
      await devwatch[Symbol.asyncDispose]();
      await own[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
  return Object.defineProperty(app as App, 'mostAlive', { get: () => home.mostAlive });
}
