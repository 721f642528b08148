import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { PreloadMessage } from '../../src/preload/protocol.ts';
import type { Child, ChildOptions, LaunchOptions } from '../../src/process/launch/child.ts';
import { createCommand } from './command.ts';

/** A child process without a process: it does what a test calls, and records what is done to it. */
export class FakeChild implements Child {
  readonly pid: number;
  hasDoubtfulModes = false;
  readonly output: Child['output'] = { stdout: null, stderr: null };
  readonly process: ChildProcess;
  /** Signals sent to it, also by the tree. */
  readonly signals: string[] = [];
  /** Messages sent to its preload, and answers to messages of the preload. */
  readonly sent: object[] = [];
  readonly answers: unknown[] = [];
  /** Whether messages to the preload can be sent. */
  canReceive = false;
  isAlive = true;
  /** Its tree has been released. */
  isReleased = false;
  /** Set once devwatch receives its messages. */
  onMessage: ((message: PreloadMessage) => void) | undefined;

  constructor(pid: number) {
    this.pid = pid;
    const properties = {
      stdin: null,
      stdio: [],
      connected: true,
      ref: () => {},
      unref: () => {},
      kill: (name: string) => this.signals.push(name),
      send: (message: object) => this.sent.push(message),
    };
    this.process = Object.assign(new EventEmitter(), properties) as unknown as ChildProcess;
  }

  readonly tree = {
    scan: (onFound?: (member: { pid: number; startTime: string; command: string }) => void) => {
      const members = this.isAlive ? [{ pid: this.pid, startTime: '', command: '' }] : [];
      for (const member of members) onFound?.(member);
      return { members, proven: true };
    },
    signal: (_: unknown, name: NodeJS.Signals): 'sent' => {
      if (name !== 'SIGCONT') this.signals.push(name);
      return 'sent';
    },
    killAll: () => {
      if (!this.isAlive) return [];
      this.signals.push('SIGKILL');
      this.isAlive = false;
      queueMicrotask(() => this.process.emit('exit', null, 'SIGKILL'));
      return [];
    },
    describe: () => ({ pid: this.pid, command: '', reason: '' }),
    release: () => {
      this.isReleased = true;
    },
  };

  receive(onMessage: (message: PreloadMessage) => void): void {
    this.onMessage = onMessage;
  }

  answer(value: unknown): void {
    this.answers.push(value);
  }

  send(message: object): boolean {
    if (this.canReceive) this.sent.push(message);
    return this.canReceive;
  }

  /** Its preload sends a message. */
  report(message: PreloadMessage): void {
    this.onMessage?.(message);
  }

  /** The process exits; its tree is empty then. */
  exit(code: number | null = null, signal: NodeJS.Signals | null = code === null ? 'SIGKILL' : null): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.process.emit('exit', code, signal);
  }
}

/** Options of a Node script with every feature off. */
export const childOptions: ChildOptions = {
  command: createCommand({
    file: 'node',
    args: ['server.js'],
    display: 'node server.js',
    script: '/project/server.cjs',
    extensions: ['js'],
  }),
  folder: '/project',
  env: { PATH: '/bin' },
  signal: 'SIGTERM',
  stdin: 'ignore',
  relay: false,
  reportLoads: false,
  prewarm: false,
  hold: false,
  isPinged: false,
  sendsReady: false,
  capturesOutput: false,
};

export const launchOptions: LaunchOptions = { ...childOptions, variables: {}, standby: false, drain: 0 };
