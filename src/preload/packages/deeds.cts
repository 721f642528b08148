/**
 * Notices, while packages are loaded, what they do that cannot be handed over to the program, or that would happen twice:
 * prints, child processes, the end of the process, hooks of the module loader.
 */

import type { bindingOf as BindingOf, callersOf as CallersOf, ModuleClass } from './internals.cts';
import type { Patches } from './patches.cts';
import type { Recorder } from './recorder.cts';

const { bindingOf, callersOf, nodeModule } = require('./internals.cjs') as {
  bindingOf: typeof BindingOf;
  callersOf: typeof CallersOf;
  nodeModule: ModuleClass;
};

type WithPrototype = { readonly prototype: object } | undefined;

const writes = 'writeUtf8String writeAsciiString writeLatin1String writeUcs2String writeBuffer writev';
const changesOfProcess = 'chdir setuid setgid setSourceMapsEnabled setUncaughtExceptionCaptureCallback';

/** Returns whether Node has copied all properties of `process`, for `import 'node:process'`. */
type WasCopied = () => boolean;

/** @param isAudit look at the module cache, too: packages keep the object that stands for it */
function noticeDeeds(recorder: Recorder, patches: Patches, isAudit: boolean): WasCopied {
  noticeChildren(recorder, patches);
  noticePrints(recorder, patches);
  for (const name of ['exit', 'reallyExit', 'abort', 'kill']) {
    patches.add(process, name, () => {
      recorder.blame('ends the process, or sends signals');
      throw new Error(`process.${name} is not available while packages are loaded ahead of time`);
    });
  }
  for (const name of changesOfProcess.split(' ')) {
    patches.add(process, name, (_, proceed) => {
      recorder.blame(`calls process.${name}`);
      return proceed();
    });
  }
  for (const name of ['prependListener', 'prependOnceListener']) {
    patches.add(process, name, (_, proceed) => {
      // Listeners of the program may be there by then.
      recorder.blame('puts a listener in front of others');
      return proceed();
    });
  }
  patches.add(process, 'umask', (args, proceed) => {
    if (args.length > 0) recorder.blame('calls process.umask');
    return proceed();
  });
  for (const name of ['listenerCount', 'listeners', 'rawListeners', 'eventNames']) {
    const intercept = (_: unknown[], proceed: () => unknown): unknown => {
      const caller = callersOf(intercept, 2).find((site) => site.getFileName() !== __filename);
      // Listeners of the program may be there by then. Node itself asks, too.
      if (caller?.getFileName()?.startsWith('node:') !== true) recorder.blame('asks for the listeners of process');
      return proceed();
    };
    patches.add(process, name, intercept);
  }
  noticeObservers(recorder, patches);
  noticeEvaluation(recorder, patches);
  if (isAudit) noticeRemovals(recorder, patches);
  return noticeStreams(recorder, patches);
}

function noticeChildren(recorder: Recorder, patches: Patches): void {
  const { Process } = (bindingOf('process_wrap') ?? {}) as { Process?: WithPrototype };
  for (const target of [bindingOf('spawn_sync'), Process?.prototype]) {
    patches.add(target, 'spawn', (_, proceed) => {
      recorder.blame('starts a process');
      return proceed();
    });
  }
}

function noticePrints(recorder: Recorder, patches: Patches): void {
  const { TTY } = (bindingOf('tty_wrap') ?? {}) as { TTY?: WithPrototype };
  const { Pipe } = (bindingOf('pipe_wrap') ?? {}) as { Pipe?: WithPrototype };
  for (const prototype of [TTY?.prototype, Pipe?.prototype]) {
    if (prototype === undefined) continue;
    for (const object of [prototype, Reflect.getPrototypeOf(prototype)]) {
      if (object === null) continue;
      for (const name of writes.split(' ')) {
        if (!Object.hasOwn(object, name)) continue;
        // The program prints it when it loads the file itself. Standard streams are written synchronously.
        patches.add(object, name, () => {
          recorder.blame('prints');
          return 0;
        });
      }
    }
  }
  patches.add(process, 'emitWarning', () => recorder.blame('warns'));
}

/** Notices observers of Node's own events, and hooks of the module loader. */
function noticeObservers(recorder: Recorder, patches: Patches): void {
  const { Channel } = require('node:diagnostics_channel') as typeof import('node:diagnostics_channel');
  const { createHook } = require('node:async_hooks') as typeof import('node:async_hooks');
  const hook = Reflect.getPrototypeOf(createHook({}));
  const noticed: readonly (readonly [unknown, string, string])[] = [
    [Channel.prototype, 'subscribe', 'subscribes to channels of Node'],
    [hook, 'enable', 'observes asynchronous calls'],
    [nodeModule, 'register', 'hooks the module loader'],
    [nodeModule, 'registerHooks', 'hooks the module loader'],
    [nodeModule, 'syncBuiltinESMExports', 'changes what ES modules import of Node'],
    [require('node:v8'), 'setFlagsFromString', 'sets flags of V8'],
  ];
  for (const [object, name, why] of noticed) {
    patches.add(object, name, (_, proceed) => {
      recorder.blame(why);
      return proceed();
    });
  }
}

function noticeEvaluation(recorder: Recorder, patches: Patches): void {
  const { load } = nodeModule.prototype;
  const value = function (this: ModuleClass['prototype'], file: string): void {
    const { current } = recorder;
    if (current === undefined) {
      load.call(this, file);
      return;
    }
    const record = recorder.recordOf(file, current);
    if (record.hasThrown) recorder.blame('loads a file again that has thrown an error', current.file);
    record.hasThrown = false;
    record.module = this;
    record.loadedBy = recorder.evaluating.at(-1);
    recorder.evaluating.push(file);
    if (!file.includes('node_modules')) recorder.blame('loads a file of the program');
    try {
      load.call(this, file);
    } catch (error) {
      record.hasThrown = true;
      // Whether Node can depends on how far it is with the modules of the program.
      const { code } = (error ?? {}) as { readonly code?: unknown };
      if (String(code).startsWith('ERR_REQUIRE_')) recorder.blame(`cannot require ${file}`, current.file);
      throw error;
    } finally {
      recorder.evaluating.pop();
    }
  };
  patches.replace(nodeModule.prototype, 'load', { value });
}

/** Notices packages that remove modules from the cache: whoever asks for these afterwards gets other ones. */
function noticeRemovals(recorder: Recorder, patches: Patches): void {
  const deleteProperty = (target: object, key: string | symbol): boolean => {
    const [caller] = callersOf(deleteProperty, 1);
    // Node itself removes modules that throw.
    if (caller?.getFileName()?.startsWith('node:') !== true) {
      recorder.blame('removes modules from the module cache', recorder.current?.file);
    }
    return Reflect.deleteProperty(target, key);
  };
  patches.replace(nodeModule, '_cache', { value: new Proxy(nodeModule._cache, { deleteProperty }) });
}

/** Notices that stdin is opened. */
function noticeStreams(recorder: Recorder, patches: Patches): WasCopied {
  return hideStreams(
    patches,
    () => recorder.current !== undefined,
    (name, open) => {
      if (name === 'stdin') recorder.blame('opens stdin');
      const { isOpeningStream } = recorder;
      recorder.isOpeningStream = true;
      try {
        return open();
      } finally {
        recorder.isOpeningStream = isOpeningStream;
      }
    },
  );
}

/**
 * For `import 'node:process'` Node reads all properties of `process` once. It gets nothing for the streams, which would be
 * opened by that.
 *
 * @param onRead a package reads one
 */
function hideStreams(
  patches: Patches,
  isActive: () => boolean,
  onRead: (name: string, open: () => unknown) => unknown = (_, open) => open(),
): WasCopied {
  let wasCopied = false;
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    const { get } = Reflect.getOwnPropertyDescriptor(process, name) ?? {};
    if (get === undefined) continue;
    const read = (): unknown => {
      if (!isActive()) return get.call(process);
      const caller = callersOf(read, 3).find((site) => typeof site.getFileName() === 'string');
      if (caller?.getFileName() !== 'node:internal/bootstrap/realm') return onRead(name, () => get.call(process));
      wasCopied = true;
      return undefined;
    };
    patches.replace(process, name, { get: read });
  }
  return () => wasCopied;
}

export type { hideStreams, noticeDeeds };

module.exports = { hideStreams, noticeDeeds };
