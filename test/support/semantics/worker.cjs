// A worker thread of works.cjs.
const { isMainThread, parentPort, resourceLimits, threadName } = require('node:worker_threads');
const { begunBetween, names, surfaceOf } = require('./common.cjs');

parentPort.postMessage({
  isMainThread,
  threadName,
  argv: process.argv,
  execArgv: process.execArgv,
  env: { ...process.env },
  resourceLimits,
  title: process.title,
  listeners: Object.fromEntries(process.eventNames().map((name) => [String(name), process.listenerCount(name)])),
  resources: process.getActiveResourcesInfo(),
  globals: names(globalThis),
  processKeys: names(process),
  surface: surfaceOf(process),
  cache: Object.keys(require.cache),
  pathCache: Object.keys(require('node:module')._pathCache),
  compileCache: String(require('node:module').getCompileCacheDir?.()),
  main: [require.main === module, module.children.length],
  stack: new Error('where').stack,
  begun: begunBetween(),
});
