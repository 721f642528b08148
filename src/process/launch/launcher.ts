/** Starts a program as a tree that can be ended as a whole. */

import type { ChildProcess, SendHandle, Serializable } from 'node:child_process';
import fs from 'node:fs';
import type { Drain, PackageFile, ParkOrders } from '../../preload/orders.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { withDeadline } from '../../shared/deadline.ts';
import { codeOf, messageOf } from '../../shared/errors.ts';
import { createHooks, type Hooks, type HooksOptions } from '../hooks.ts';
import { openPort } from '../sockets/handover.ts';
import { createHeldPorts, type Held, type HeldPorts } from '../sockets/held-ports.ts';
import { createStandbys } from '../standby/pool.ts';
import { Termination } from '../tree/terminate.ts';
import type { Containment } from '../tree/tree.ts';
import { treeCpuTime, treeMemory } from '../tree/usage.ts';
import { type Child, type ChildOptions, type StopSignal, startChild } from './child.ts';
import { type Output, passOn } from './output.ts';
import type { ProgramEvent, ProgramListener } from './program-events.ts';
import type { RunningProgram } from './running-program.ts';
import type { TerminalModes } from './tty.ts';

export interface LaunchOptions extends ChildOptions {
  /** Variables that this run alone has. */
  readonly variables: Readonly<Record<string, string>>;
  /** Prepare a process for the next run when this one has settled, where that is possible. */
  readonly standby: boolean;
  /** How long requests under way are given at a restart, in ms, where ports are held. */
  readonly drain: number;
}

export interface Launcher {
  /** Starts a program; nothing of the one before may be alive. */
  launch(options: LaunchOptions, listener: ProgramListener): RunningProgram;
  /** What a prepared process has read may have changed. */
  discardStandbys(): void;
  /** Runs the user's own commands, contained as the programs are. */
  openHooks(options: Omit<HooksOptions, 'containment' | 'serial' | 'clock'>): Hooks;
  /** Listens for programs that take a listening socket from who starts them; says what prevents it. */
  openPort(port: number): Promise<string | undefined>;
  /** Nothing will be launched soon: nobody is to wait for an answer. */
  releasePorts(): void;
  /** Nothing will be launched any more. Resolves when no prepared process is left, and what was printed is passed on. */
  close(): Promise<void>;
}

/** What a program printed last is waited for so long, in ms: who is left alone (`keep`) may hold its stdout for ever. */
const lastWords = 1000;

/**
 * A launcher whose programs are contained: whatever they start can be found and ended.
 *
 * @param handed sockets of a service manager's, for every program
 */
export function createLauncher(
  containment: Containment,
  clock: Clock,
  modes: TerminalModes,
  output?: Output,
  handed: readonly Held[] = [],
): Launcher {
  let serial = 0;
  /** What programs have printed and devwatch has not yet passed on. */
  const printing = new Set<Promise<void>>();
  /** The program reads the terminal, and may have put it into other modes. */
  let terminalIsClaimed = false;
  // A process that is prepared would listen on what is let go, and not on what is new.
  const held = createHeldPorts(() => void standbys.discard(), handed);
  const nextSerial = (): number => {
    serial += 1;
    return serial;
  };
  const start = (options: ChildOptions, park?: ParkOrders): ReturnType<typeof startChild> => {
    const child = startChild(containment, nextSerial(), options, held, park);
    return terminalIsClaimed && !('failure' in child) ? { ...child, modesAreDoubtful: true } : child;
  };
  const standbys = createStandbys({ start, clock });
  return {
    launch(options, listener) {
      const { variables, ...common } = options;
      terminalIsClaimed = false;
      const parked = options.standby ? standbys.take(common, variables) : undefined;
      const child = parked ?? start({ ...common, env: { ...common.env, ...variables } });
      if ('failure' in child) return unstarted(child.failure, options, listener);
      const onPackage = options.standby ? standbys.launched(common, child, listener) : () => {};
      const onClaim = (): void => {
        terminalIsClaimed = true;
      };
      const onUnhold = async (id: string): Promise<void> => {
        await held.release(id, child.process);
        await standbys.discard();
      };
      const fromStandby = parked !== undefined;
      const isHeld = (): boolean => options.hold && held.all.length > 0;
      return track({
        child,
        fromStandby,
        options,
        clock,
        modes,
        listener,
        onPackage,
        onClaim,
        onUnhold,
        isHeld,
        held,
        output,
        onOutput(passedOn) {
          printing.add(passedOn);
          void passedOn.then(() => printing.delete(passedOn));
        },
      });
    },
    discardStandbys: () => void standbys.discard(),
    openHooks: (hooks) => createHooks({ ...hooks, containment, clock, serial: nextSerial }),
    openPort: (port) => openPort(port, held),
    releasePorts: () => held.releaseAll(),
    async close() {
      held.close();
      await Promise.all([standbys.close(), withDeadline(clock, lastWords, Promise.all(printing))]);
    },
  };
}

interface Tracked {
  readonly child: Child;
  readonly fromStandby: boolean;
  readonly options: LaunchOptions;
  readonly clock: Clock;
  readonly modes: TerminalModes;
  readonly listener: ProgramListener;
  readonly onPackage: (item: PackageFile) => void;
  /** The program begins to read the terminal. */
  readonly onClaim: () => void;
  /** The program has no use for a socket that outlives it. */
  readonly onUnhold: (id: string) => Promise<void>;
  /** Is anything kept for the next run? */
  readonly isHeld: () => boolean;
  readonly held: HeldPorts;
  readonly output: Output | undefined;
  /** Its output is heard, and has been passed on when this resolves. */
  readonly onOutput: (passedOn: Promise<void>) => void;
}

/** What a program that is blocked may take beyond the time that it was given, in ms. */
const drainSlack = 30;

function track(tracked: Tracked): RunningProgram {
  const { child, fromStandby, options, clock, modes, listener } = tracked;
  const { onPackage, onClaim, onUnhold, isHeld, held, output, onOutput } = tracked;
  const { signal, relay, drain } = options;
  const { process: root, pid, tree, printed } = child;
  let ending: Termination | undefined;
  let exited = false;
  // Programs may change the terminal's modes; other ones than Node without telling.
  let mayChangeModes = child.modesAreDoubtful;
  const listening = new Set<string>();
  const listened = new Set<string>();
  /** There is no way to tell it anything while it runs. */
  let isDeaf = false;
  /** It could not listen on this one, and has not listened on another one since. */
  let portWanted: number | undefined;
  let question: { readonly ping: number; readonly answered: () => void } | undefined;
  /** Goes on to end the tree, whose root may have been asked; while requests under way are waited for. */
  let endDrain: ((rootIsAsked: boolean) => void) | undefined;

  const emit = (event: ProgramEvent): void => listener.onEvent(event);
  child.listen((message) => {
    switch (message.type) {
      case 'reads-stdin':
        mayChangeModes = true;
        onClaim();
        child.answer(listener.onReadsInput());
        return;
      case 'leaves-stdin':
        emit({ type: 'leavesInput' });
        return;
      case 'begins':
        emit({ type: 'begin' });
        return;
      case 'loads':
        emit({ type: 'load', file: message.file });
        return;
      case 'package':
        onPackage({ file: message.file, kind: message.kind });
        return;
      case 'address-in-use':
        // A program that handles the error may go on with another port.
        portWanted = message.isHandled ? message.port : undefined;
        if (!message.isHandled) tellOfTaken(message.port);
        return;
      case 'listens':
        portWanted = undefined;
        listening.add(message.id);
        listened.add(message.id);
        emit({ type: 'listens', port: message.port });
        return;
      case 'unhold':
        listening.delete(message.id);
        void onUnhold(message.id).then(() => child.answer(true));
        return;
      case 'unclaimed':
        void onUnhold(message.id);
        return;
      case 'drained':
        endDrain?.(message.asked);
        return;
      case 'deaf':
        isDeaf = true;
        return;
      case 'pong':
        if (question?.ping === message.ping) question.answered();
        return;
      default: // Only a standby parks.
    }
  });
  root.on('message', (message) => emit({ type: 'message', message }));
  if (options.hearsOutput) onOutput(passOn(printed, (chunk) => emit({ type: 'output', chunk }), output));
  const endRelay = relay ? relayMessages(root) : () => {};
  root.once('exit', (code, name) => {
    exited = true;
    endRelay();
    // It ended by itself, and perhaps nothing else will happen for long.
    if (ending === undefined && mayChangeModes) modes.restore();
    if (ending === undefined && portWanted !== undefined) tellOfTaken(portWanted);
    if (ending === undefined) held.ended(listened);
    emit({ type: 'exit', outcome: { code, signal: name } });
    endDrain?.(false);
    ending?.rootExited();
  });

  /** By us, it may be: then the next run finds it free. */
  function tellOfTaken(port: number): void {
    if (!held.giveUp(port, listened)) emit({ type: 'portTaken', port });
  }

  function startEnding(rootIsAsked = false): Termination {
    const ask = rootIsAsked
      ? () => {}
      : signal === 'message' && root.connected
        ? () => void root.send('shutdown')
        : undefined;
    return new Termination({
      tree,
      signal: signal === 'message' ? 'SIGTERM' : signal,
      askRoot: ask && { pid, ask },
      clock,
      onGone(survivors) {
        if (mayChangeModes) modes.restore();
        emit({ type: 'gone', survivors });
      },
    });
  }

  return {
    pid,
    fromStandby,
    end(stage) {
      if (endDrain !== undefined) {
        child.tell({ drain: drainFor(0, signal) });
        endDrain(false);
      }
      const drains =
        stage === 'terminating' && ending === undefined && !exited && listening.size > 0 && isHeld() && drain > 0;
      if (drains && child.tell({ drain: drainFor(drain, signal) })) {
        let cancel = clock.after(drain + drainSlack, () => {
          // It may have asked itself, in time, and said so.
          cancel = clock.soon(() => endDrain?.(false));
        });
        endDrain = (rootIsAsked) => {
          cancel();
          endDrain = undefined;
          ending = startEnding(rootIsAsked);
          ending.escalate(stage);
        };
      } else {
        ending ??= startEnding();
        ending.escalate(stage);
      }
    },
    signal(name, to) {
      if (to === 'tree') for (const member of tree.scan().members) tree.signal(member, name);
      else if (!exited) root.kill(name);
    },
    ping(answered) {
      const ping = clock.now();
      question = { ping, answered };
      return !isDeaf && child.tell({ ping });
    },
    memory: () => treeMemory(tree),
    cpu: () => treeCpuTime(tree),
    write(chunk, done = () => {}) {
      if (root.stdin === null) done(false);
      else if (chunk === null) root.stdin.end();
      else root.stdin.write(chunk, (error) => done(error instanceof Error));
    },
  };
}

/** By the system's clock whatever ours is: the program has no other. */
const drainFor = (ms: number, signal: StopSignal): Drain => ({
  until: systemClock.now() + ms,
  signal: signal === 'message' ? undefined : signal,
});

/** Passes messages on in both directions while the program lives; returns what ends it. */
function relayMessages(child: ChildProcess): () => void {
  if (process.send === undefined) return () => {};
  const down = (message: Serializable, handle: SendHandle): void => {
    if (child.connected) child.send(message, handle);
  };
  const disconnect = (): void => {
    if (child.connected) child.disconnect();
  };
  child.on('message', (message, handle) => {
    if (process.connected) process.send?.(message, handle);
  });
  process.on('message', down);
  process.on('disconnect', disconnect);
  return () => {
    process.off('message', down);
    process.off('disconnect', disconnect);
  };
}

/** What stands for a program that has no process: its tree is gone as soon as somebody asks. */
function unstarted(reason: Promise<unknown>, options: LaunchOptions, listener: ProgramListener): RunningProgram {
  void reason.then((error) => {
    const outcome = { code: null, signal: null, error: startError(error, options) };
    listener.onEvent({ type: 'exit', outcome });
  });
  return {
    pid: undefined,
    fromStandby: false,
    end: () => listener.onEvent({ type: 'gone', survivors: [] }),
    signal: () => {},
    ping: () => false,
    memory: () => undefined,
    cpu: () => undefined,
    write: () => {},
  };
}

function startError(error: unknown, { command: { file }, folder }: LaunchOptions): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return `cannot be started: ${fs.existsSync(file) ? folder : file} is missing`;
    case 'EACCES':
      return `cannot be started: ${file} may not be executed`;
    default:
      return `cannot be started: ${messageOf(error)}`;
  }
}
