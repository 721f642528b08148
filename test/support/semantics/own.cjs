// A module that a project preloads by --require. Only a released process knows the number of its run.
console.log(`own.cjs in run ${process.env.DEVWATCH_RUN}, with ${process.argv.length} words`);
globalThis.required = (globalThis.required ?? 0) + 1;
