// The same by --import.
console.log(`own.mjs in run ${process.env.DEVWATCH_RUN}, with ${process.argv.length} words`);
globalThis.imported = (globalThis.imported ?? 0) + 1;
