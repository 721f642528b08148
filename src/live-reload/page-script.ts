/**
 * Returns the script for a page that has requested it at `base` (`http://localhost:35729`) at the time `now`, in epoch
 * ms, when `last` was the id of the latest event: ES2017 and at most 1 kB. It is a template because
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
 */
export function clientScript(base: string, last: string, now: number): string {
  const script = `(() => {
    const loading = new Set();
    const open = last => {
      const source = new EventSource('${base}/events?' + last);
      const on = (type, act) => source.addEventListener(type, act);
      on('reload', () => location.reload());
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
