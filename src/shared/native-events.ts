/**
 * How a system reports changes of files: inotify of Linux, FSEvents of macOS, ReadDirectoryChangesW of Windows; `fs.watch`
 * is a subscription of Node's to each folder, where nothing more is known of it.
 */
export type NativeEvents = 'inotify' | 'FSEvents' | 'ReadDirectoryChangesW' | 'fs.watch';
