/** `debug`: looking inside programs. */
export * from './callback.ts'
export * from './compileWarnings.ts'
export * from './nans.ts'
