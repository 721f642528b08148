/**
 * Exclusive ownership of a name. The lock is the folder `<name>/lock` with one file in it, whose name identifies the
 * owner: pid, start time, boot, pid namespace and a random number. A process acquires it by renaming a prepared
 * folder, file included, to `lock`, which the kernel allows only where `lock` is missing or empty.
 *
 * 1. The process that acquires the lock found it empty at that very moment: two cannot, because the first one's file
 *    is in it.
 * 2. The file is removed in two ways: by its owner, or by a process that saw that the owner is dead, which is final.
 *    A late removal does no harm, because no other file has that name.
 * 3. A transfer renames the file. That fails if the file is gone, and never makes a second one.
 *
 * So there is at most one owner, a crash at any point frees the name, and no step has to be undone.
 */

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { isSameProcess, livenessOf, ownIdentity, type ProcessIdentity } from '../process/tree/identity.ts';
import { attempt, codeOf, messageOf, UsageError } from '../shared/errors.ts';
import { backgroundFolder, programFolder } from './private-folder.ts';
import { checkName } from './program-names.ts';

export class NameLock {
  readonly name: string;
  /** Folder of the name: its record, its logs and the lock. */
  readonly folder: string;
  /** Undefined when the lock was transferred or released. */
  #file: string | undefined;

  constructor(name: string, file: string) {
    this.name = name;
    this.folder = path.join(backgroundFolder(), name);
    this.#file = path.join(this.folder, 'lock', file);
  }

  /** Returns the file of this process. @throws UsageError if the name no longer belongs to it */
  check(): string {
    if (this.#file !== undefined && fs.existsSync(this.#file)) return this.#file;
    throw new UsageError(`${this.name} no longer belongs to this process (pid ${process.pid})`);
  }

  /**
   * Acquires the name anew after somebody has removed the lock. Returns whether that was needed.
   *
   * @throws UsageError that names the owner if another process was faster, and where state cannot be kept
   */
  restore(project: string): boolean {
    if (this.#file === undefined || fs.existsSync(this.#file)) return false;
    acquire(this.name, path.basename(this.#file), project);
    return true;
  }

  /** Transfers the name to another live process, which takes it over with `adoptName`. @throws UsageError as check does */
  transferTo(process: ProcessIdentity): void {
    const file = this.check();
    fs.renameSync(file, path.join(path.dirname(file), fileNameOf(process)));
    this.#file = undefined;
  }

  /** Frees the name. Does nothing if it was transferred or released before. */
  release(): void {
    if (this.#file !== undefined) fs.rmSync(this.#file, { force: true });
    this.#file = undefined;
  }
}

interface Owner extends ProcessIdentity {
  /** Name of its file in the lock. */
  readonly file: string;
}

/**
 * Acquires a name for this process. Of many that try at the same moment, one succeeds; the name of a dead one is free.
 *
 * @param project folder of the program, for the message that other processes show
 * @throws UsageError that names the owner, and where state cannot be kept
 */
export function acquireName(name: string, project: string): NameLock {
  checkName(name);
  const file = fileNameOf(ownIdentity());
  acquire(name, file, project);
  removeAbandoned();
  return new NameLock(name, file);
}

/** Puts the file of this process, with the folder of the program in it, into the lock of a name. Throws as `acquireName` does. */
function acquire(name: string, file: string, project: string): void {
  const folder = programFolder(name);
  const lock = path.join(folder, 'lock');
  const prepared = path.join(backgroundFolder(), `.${file}`);
  try {
    fs.mkdirSync(prepared, { mode: 0o700 });
    fs.writeFileSync(path.join(prepared, file), project, { mode: 0o600, flag: 'wx' });
    while (!rename(prepared, lock)) for (const owner of ownersOf(lock)) removeDead(name, lock, owner);
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${folder}: cannot be locked (${messageOf(error)})`);
  } finally {
    fs.rmSync(prepared, { recursive: true, force: true });
  }
}

/** Takes over a name that another process transferred to this one. @throws UsageError if none did, or it is lost again */
export function adoptName(name: string): NameLock {
  checkName(name);
  const self = ownIdentity();
  const own = ownersOf(path.join(programFolder(name), 'lock')).find((owner) => isSameProcess(owner, self));
  if (own === undefined) throw new UsageError(`${name} was not transferred to this process (pid ${self.pid})`);
  return new NameLock(name, own.file);
}

/** Returns the live process that owns a name. */
export function ownerOf(name: string): ProcessIdentity | undefined {
  return ownersOf(path.join(backgroundFolder(), name, 'lock')).find((owner) => livenessOf(owner) === 'alive');
}

/** Returns false if the lock is not empty. */
function rename(prepared: string, lock: string): boolean {
  try {
    fs.renameSync(prepared, lock);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    return false;
  }
}

/** Removes a dead owner; throws a UsageError if it is not dead. */
function removeDead(name: string, lock: string, owner: Owner): void {
  const file = path.join(lock, owner.file);
  const liveness = livenessOf(owner);
  if (liveness === 'dead') return void fs.rmSync(file, { force: true });
  const project = attempt(() => fs.readFileSync(file, 'utf8'));
  if (project === undefined) return; // Released or transferred at this moment: the next attempt will show.
  throw new UsageError(
    liveness === 'alive'
      ? `${name} is already running in ${project} (pid ${owner.pid}) · devwatch stop ${name}, or --name for another one`
      : `${name} belongs to pid ${owner.pid} of another container, in ${project} · --name for another one, or remove ${file} if that is gone`,
  );
}

/** Removes folders that processes prepared and that were killed before they could rename them. */
function removeAbandoned(): void {
  const folder = backgroundFolder();
  for (const name of fs.readdirSync(folder)) {
    const owner = name.startsWith('.') ? parseFileName(name.slice(1)) : undefined;
    if (owner !== undefined && livenessOf(owner) === 'dead') {
      fs.rmSync(path.join(folder, name), { recursive: true, force: true });
    }
  }
}

/** Returns the owner, if there is one; for a moment both owners while the lock is transferred. */
function ownersOf(lock: string): Owner[] {
  if (!fs.existsSync(lock)) return [];
  return fs.readdirSync(lock).map((file) => {
    const owner = parseFileName(file);
    if (owner === undefined) throw new UsageError(`${path.join(lock, file)}: is not devwatch's · remove it`);
    return owner;
  });
}

const fileNameOf = ({ pid, startTime, boot, namespace }: ProcessIdentity): string =>
  `${pid}_${startTime}_${boot}_${namespace}_${randomBytes(8).toString('hex')}`;

function parseFileName(file: string): Owner | undefined {
  const match = /^(\d+)_(\d+)_([0-9A-Fa-f-]*)_(\d*)_[0-9a-f]{16}$/.exec(file);
  if (match === null) return undefined;
  const [, pid, startTime = '', boot = '', namespace = ''] = match;
  return { file, pid: Number(pid), startTime, boot, namespace };
}
