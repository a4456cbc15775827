/** `debug`: looking inside programs. */
export * from './compileWarnings.ts'
export * from './nans.ts'
