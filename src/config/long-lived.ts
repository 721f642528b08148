/**
 * The default of `keep`: what a person opens, or several projects share, although a program has started it. Globs for
 * names, which Linux cuts off after 15 characters, and for whole command lines; the names are exact where programs of
 * one's own could have a similar one.
 */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Commands that `open` and the like run to open a file or a page. */
const openers = words('xdg-open gio-launch-des* kde-open* exo-open gnome-open sensible-browse* x-www-browser wslview');

const browsers = words(`
  chrome google-chrome* chrome_crashpad* chromium* firefox* msedge* microsoft-edge* brave* opera vivaldi* librewolf*
  waterfox* zen zen-bin floorp* epiphany* falkon konqueror qutebrowser thorium*`);

const editors = words(`
  code code-insiders code-oss codium vscodium cursor Cursor windsurf trae antigravity kiro positron zed zed-editor zeditor
  subl sublime_text atom pulsar brackets Brackets lapce geany gedit gnome-text-edit* kate kwrite mousepad pluma xed
  emacs emacs-* emacsclient* gvim vim vim.* nvim neovide vi nano micro hx helix kak`);

const jetBrains = words('idea webstorm phpstorm pycharm rubymine goland rider clion rustrover datagrip studio').flatMap(
  (name) => [name, `${name}.sh`],
);

const terminals = words(`
  gnome-terminal* konsole kitty wezterm* alacritty foot footclient ghostty xterm urxvt* rxvt* xfce4-terminal lxterminal
  mate-terminal* terminator tilix* ptyxis* kgx termite warp-terminal tmux* screen zellij abduco dtach mosh-server`);

/** Desktop programs that show a folder, a picture or a page, and services that they start for the whole session. */
const desktop = words(`
  nautilus dolphin thunar Thunar nemo evince okular eog thunderbird dbus-daemon dbus-launch dbus-broker* pulseaudio
  ibus-daemon`);

/** Several projects, and later builds, use the same one. */
const daemons = [
  ...words(`
    watchman sccache ssh-agent gpg-agent dirmngr keyboxd scdaemon *GradleDaemon* *KotlinCompileDaemon* *VBCSCompiler*
    */nx/src/daemon/* */eslint_d/lib/daemon.js* */core_d/lib/daemon.js* *fsmonitor--daemon* *credential-cache--daemon*
    */emulator/qemu/* */A-server.jar* buck2d* conmon slirp4netns rootlessport* aardvark-dns catatonit`),
  ...[
    'adb *fork-server*',
    '*/adb *fork-server*',
    '*/turbo daemon*',
    '*/turbo --skip-infer daemon*',
    '*MSBuild.dll */nodemode*',
    'ssh: *mux*',
  ],
  ...['PM2 v*God Daemon*', '*/forever/bin/monitor *', '*com.intellij.idea.Main*'],
];

/** A program drives these browsers, to test or to print pages: they end with it. The others are parts of a process. */
const driven = [
  ...['!*--headless*', '!*--remote-debugging-*', '!*--enable-automation*', '!*--user-data-dir=/tmp/*'],
  ...['!* -headless*', '!*--marionette*', '!* -juggler*', '!* --type=*'],
];

/** The value of `keep` where nothing is set. */
export const longLived: readonly string[] = [
  ...[openers, browsers, editors, jetBrains, terminals, desktop, daemons, driven].flat(),
];

/** Returns the globs that a value of `keep` stands for: exclusions alone are exceptions from the default. */
export const keptGlobs = (keep: readonly string[]): readonly string[] =>
  keep.length > 0 && keep.every((glob) => glob.startsWith('!')) ? [...longLived, ...keep] : keep;
