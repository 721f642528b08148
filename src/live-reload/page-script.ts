/**
 * Shows the text of a crash above the page until the program is up again: Escape or a click beside the text removes it.
 * It stands in a shadow root, with styles that no Content-Security-Policy forbids. The text is only ever text.
 */
const overlay = `
    let box;
    const hide = () => box && box.remove();
    const show = text => {
      hide();
      box = document.createElement('devwatch-crash');
      box.setAttribute('role', 'alert');
      box.style.cssText = 'all:initial;position:fixed;inset:0;z-index:2147483647;overflow:auto;background:#000b';
      const pre = document.createElement('pre');
      pre.style.cssText = 'margin:5vmin;padding:1.5em;border-top:4px solid #f55;background:#181818;color:#eee;font:14px/1.5 monospace;white-space:pre-wrap;overflow-wrap:anywhere';
      pre.textContent = text;
      box.attachShadow({ mode: 'open' }).append(pre);
      box.onclick = e => e.composedPath()[0] === box && hide();
      document.documentElement.append(box);
    };
    addEventListener('keydown', e => e.key === 'Escape' && hide());`;

const onCrashOfPage = `
      on('crash', e => show(JSON.parse(e.data)));
      on('up', hide);`;

/** The page that shows a crash is reloaded for another one, and as soon as the program is up. */
const onCrashOfCrashPage = (last: string): string => `
      on('crash', e => e.lastEventId === '${last}' || location.reload());
      on('up', () => location.reload());`;

/**
 * Returns the script for a page that has requested it at `base` (`http://localhost:35729`) at the time `now`, in epoch
 * ms, when `last` was the id of the latest event: ES2017 and at most 2 kB. It is a template because
 * `document.currentScript` is null in modules, and `import.meta` is a syntax error elsewhere. `base` and `last` must not
 * need escapes in a JavaScript string.
 *
 * The page asks for the events since `last`, because with `defer` the script may run long after it was fetched. A
 * script that is older than the page (a service worker has cached it) does not ask: the answer would be to reload,
 * again and again.
 *
 * The data of `styles` is a pattern for the addresses of the changed style sheets. The replacement of a link stands
 * right behind it until it is loaded; `loading` holds these replacements, so that another change in between starts
 * over instead of adding one more.
 *
 * @param isCrashPage whether the page itself shows that the program has crashed
 */
export function clientScript(base: string, last: string, now: number, isCrashPage = false): string {
  const script = `(() => {${isCrashPage ? '' : overlay}
    const loading = new Set();
    const open = last => {
      const source = new EventSource('${base}/events?' + last);
      const on = (type, act) => source.addEventListener(type, act);
      on('reload', () => location.reload());${isCrashPage ? onCrashOfCrashPage(last) : onCrashOfPage}
      on('styles', e => {
        const all = [...document.querySelectorAll('link[rel~=stylesheet]')]
          .filter(link => link.href.startsWith(origin + '/'));
        const some = all.filter(link => link.href.match(e.data));
        (some[0] ? some : all).forEach(link => {
          const next = link.cloneNode();
          const url = new URL(link.href);
          url.searchParams.set('devwatch', e.lastEventId);
          next.href = url;
          next.onload = () => { loading.delete(next); link.remove(); };
          next.onerror = () => next.remove();
          if (loading.has(link.nextSibling)) link.nextSibling.remove();
          loading.add(next);
          link.after(next);
        });
      });
      on('rest', e => {
        source.close();
        addEventListener('visibilitychange', () => open(e.lastEventId), { once: true });
      });
    };
    open(performance.timeOrigin < ${now} ? '${last}' : '');
  })();`;
  return script.replace(/\n */g, '');
}
