// What a project lets Node load before its program, by --require. Only a released process knows its run.
console.log(`own.cjs in run ${process.env.DEVWATCH_RUN}, with ${process.argv.length} words`);
globalThis.required = (globalThis.required ?? 0) + 1;
