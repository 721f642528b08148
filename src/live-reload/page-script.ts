/**
 * What a page runs, ES2017 and at most 1 kB. It is plain text because the server fills in where it
 * was asked for and when: `document.currentScript` is null in modules, `import.meta` a syntax error elsewhere.
 */

/**
 * The script for a page that asked at `base` (`http://localhost:35729`) at the time `now` (ms since
 * 1970), when the latest event was `last`. Both may only hold what needs no escape in a string.
 *
 * The page asks for what it has missed since `last`: with `defer` the script may run long after it
 * was fetched. A copy that is older than the page (a service worker kept it) does not, for the
 * answer would be to reload, time and again.
 *
 * `styles` brings a pattern for the addresses of what has changed. A link's replacement stands right
 * behind it until it is loaded; `loading` holds those, so that a second change meanwhile begins anew
 * instead of adding one more.
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
